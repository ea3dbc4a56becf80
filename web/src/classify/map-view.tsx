import { useState } from 'preact/hooks';
import { viridis } from '../draw/colors.ts';
import { Legend } from '../draw/legend.tsx';
import { Frames, Stage } from '../draw/stage.tsx';
import type { Picture } from '../state/user-files.ts';
import { DataTable } from '../ui/data-table.tsx';
import { plural } from '../ui/display-values.ts';
import { drawMap, type MapGrid, type Position, positionAt, windowOf } from './map-geometry.ts';

interface MapViewProps {
  readonly picture: Picture;
  readonly grid: MapGrid;
  /** What is mapped: `Score map of coat`. */
  readonly title: string;
  /** The legend: what the colors mean, and their range. */
  readonly legend: { readonly title: string; readonly from: string; readonly to: string };
  /** rows × columns, 0 to 1: what is drawn. */
  readonly levels: readonly number[];
  /** rows × columns: the values as text. */
  readonly values: readonly string[];
  readonly opacity: number;
  /** A sentence about the whole map. */
  readonly summary: string;
  /** A sentence about one value. */
  readonly reading: (value: string, place: number) => string;
}

/** A map over the picture, with its legend, a reading at the pointer, and its values as a table. */
export function MapView(props: MapViewProps) {
  const { picture, grid, title, legend, levels, values, opacity, summary, reading } = props;
  const [point, setPoint] = useState<{ x: number; y: number }>();
  const { rows, columns, rescaled } = grid;
  const at: Position | undefined = point && positionAt(grid, point);
  const place = at ? at.row * columns + at.column : 0;
  return (
    <>
      <Stage
        picture={picture}
        label={`${title} over ${picture.name}: ${plural(rows, 'row')} of ${plural(columns, 'position')}, from ${legend.from} to ${legend.to}`}
        inputs={[grid, levels, opacity]}
        overlay={(context, width, height) => drawMap(context, { width, height }, grid, levels, opacity)}
        onPoint={setPoint}
      >
        {at && <Frames within={rescaled} frames={[{ ...windowOf(grid, at), strong: true }]} />}
      </Stage>
      <Legend colors={viridis} {...legend} />
      <p class="reading">
        {at
          ? `Row ${at.row + 1}, column ${at.column + 1}: ${reading(values[place]!, place)}`
          : `${rows} × ${columns} ${rows * columns === 1 ? 'position' : 'positions'}: ${summary}`}
      </p>
      <details>
        <summary>Show as table</summary>
        <DataTable
          caption={`${title} at each position`}
          columns={['', ...Array.from({ length: columns }, (_, column) => `column ${column + 1}`)]}
          rows={Array.from({ length: rows }, (_, row) => [
            `row ${row + 1}`,
            ...values.slice(row * columns, (row + 1) * columns),
          ])}
        />
      </details>
    </>
  );
}
