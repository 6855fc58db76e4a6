import { COMMAND, table } from '../support/readme.js';

interface Field {
  readonly name: string;
  readonly type: string;
  readonly always: readonly string[];
  readonly sometimes: readonly string[];
}

const eventsIn = (cell: string) =>
  cell === 'every event' ? ['*'] : Array.from(cell.matchAll(/`(\w+)`/g), ([, event = '']) => event);

/** The table of the page. */
const FIELDS: readonly Field[] = table(COMMAND, '<!-- log fields -->').map(
  ([name = '', type = '', always = '', sometimes = '']) => ({
    name: name.replaceAll('`', ''),
    type: type === 'text' ? 'string' : type,
    always: eventsIn(always),
    sometimes: eventsIn(sometimes),
  }),
);

/** The events that the table names. */
export const EVENTS: ReadonlySet<string> = new Set(
  FIELDS.flatMap(({ always, sometimes }) => [...always, ...sometimes]).filter((event) => event !== '*'),
);

/** What a line of the log has that the table does not say, or lacks; empty for a valid line. */
export function faultsOf(line: string): string[] {
  const { timings, ...own } = JSON.parse(line) as Record<string, unknown>;
  const fields = new Map(Object.entries(own));
  for (const [name, value] of Object.entries(timings ?? {})) fields.set(`timings.${name}`, value);
  const event = String(own.event);
  const isFor = (events: readonly string[]) => events.includes('*') || events.includes(event);
  const known = FIELDS.filter(({ always, sometimes }) => isFor(always) || isFor(sometimes));
  return [
    ...(EVENTS.has(event) ? [] : [`unknown event ${event}`]),
    ...known
      .filter(({ name, always }) => isFor(always) && !fields.has(name))
      .map(({ name }) => `${event} lacks ${name}`),
    ...[...fields].flatMap(([name, value]) => {
      const field = known.find((one) => one.name === name);
      if (!field) return [`${event} has ${name}`];
      return typeof value === field.type ? [] : [`${event}: ${name} is not a ${field.type}`];
    }),
  ];
}
