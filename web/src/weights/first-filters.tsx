import type { OpenWeightFile } from '../../../src/browser/weight-file.ts';
import { useRequest } from '../api/use-request.ts';
import { FilterImages } from '../layers/filters.tsx';

/** The filters of a file's first convolution as small color images. */
export function FirstFilters({ file }: { readonly file: OpenWeightFile }) {
  const answer = useRequest('filters', () => file.filters());
  if (answer.state !== 'done' || !answer.value) return null;
  const { kernel, pixels } = answer.value;
  const filters = pixels.length / (3 * kernel * kernel);
  return (
    <>
      <h3>Filters of the first convolution</h3>
      <FilterImages shape={[filters, 3, kernel, kernel]} bytes={pixels} />
    </>
  );
}
