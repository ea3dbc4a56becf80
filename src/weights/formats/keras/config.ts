/** Reads a Keras model's configuration: its layers in order, with their settings. */
import { messageOf, type UserError } from '../../../core/errors.ts';

export interface LayerConfig {
  /** `Conv2D` */
  readonly className: string;
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** The inputs of a layer of a functional model, as recorded. */
  readonly inbound?: unknown;
}

/** Greatest depth of nested models. */
const MAX_DEPTH = 8;

/**
 * The layers of a Sequential or Functional model; a model that is a layer of another contributes its own layers.
 * @throws UserError when the text is not such a configuration.
 */
export function readConfig(text: string, broken: (what: string) => UserError): LayerConfig[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw broken(`its model configuration is not JSON (${messageOf(error)})`);
  }
  const layers: LayerConfig[] = [];
  const visit = (item: unknown, depth: number): void => {
    const { class_name: className, config, inbound_nodes: inbound } = asObject(item);
    const settings = Array.isArray(config) ? { layers: config } : asObject(config);
    if (typeof className !== 'string' || depth > MAX_DEPTH)
      throw broken('its model configuration has no layers');
    if (Array.isArray(settings.layers)) {
      for (const layer of settings.layers) visit(layer, depth + 1);
      return;
    }
    const name = String(settings.name ?? asObject(item).name ?? className);
    layers.push({ className, name, settings, inbound });
  };
  visit(value, 0);
  return layers;
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** A setting that is a number or a list of equal numbers; NaN if they differ. */
export function numberOf(settings: LayerConfig['settings'], key: string, fallback: number): number {
  const value = settings[key];
  if (typeof value === 'number') return value;
  if (Array.isArray(value) && value.every((item) => typeof item === 'number' && item === value[0])) {
    return (value[0] as number | undefined) ?? fallback;
  }
  return value === undefined || value === null ? fallback : Number.NaN;
}

/** The name of an activation: `relu`, `linear`, `softmax`, … */
export function activationOf(settings: LayerConfig['settings']): string {
  const value = settings.activation;
  if (value === undefined || value === null) return 'linear';
  if (typeof value === 'string') return value;
  const { config, class_name: className } = asObject(value);
  return String(typeof config === 'string' ? config : (className ?? 'unknown')).toLowerCase();
}
