// Medians, ratios, and the tables.
import { METRICS } from './rows.mjs';

/** Per cent of a core: above this use, the load rather than the relay may have limited the result. */
const BUSY = 95;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median of the rounds' ratios, ours divided by the peer's. */
function ratioOf(ours = [], theirs = [], metric) {
  const pairs = ours.flatMap((one) => {
    const other = theirs.find(({ round }) => round === one.round);
    return other && other[metric] > 0 ? [one[metric] / other[metric]] : [];
  });
  return median(pairs);
}

/** @returns {object} the figures for the JSON file and the tables */
export function summarize({ rows, peers, results, ...rest }) {
  const medians = {};
  for (const row of rows) {
    const ofRow = (medians[row.name] = {});
    for (const [name, rounds] of results.get(row.name)) {
      if (rounds.length === 0) continue;
      const ours = results.get(row.name).get('ours');
      const metrics = Object.keys(METRICS[row.kind]);
      const each = metrics.map((metric) => [metric, median(rounds.map((one) => one[metric]))]);
      const ratios = metrics.map((metric) => [metric, ratioOf(ours, rounds, metric)]);
      ofRow[name] = { ...Object.fromEntries(each), oursToIt: Object.fromEntries(ratios), rounds };
    }
  }
  return {
    ...rest,
    peers: Object.fromEntries(peers.map((peer) => [peer.name, peer.version()])),
    rows: medians,
    targets: rows.flatMap((row) => (row.targets ?? []).flatMap((target) => judge(row, target, results))),
  };
}

function judge(row, target, results) {
  const { metric, against, row: other = row.name, least, most } = target;
  const ours = results.get(row.name)?.get('ours') ?? [];
  const theirs = against && results.get(other)?.get(against);
  const value = against ? ratioOf(ours, theirs, metric) : median(ours.map((one) => one[metric]));
  if (Number.isNaN(value)) return [];
  const { unit } = METRICS[row.kind][metric];
  const what = against
    ? `${row.what}: ${unit}, ours / ${against}'s${target.row ? ` (${other})` : ''}`
    : `${row.what}: ${unit}`;
  const met = (least === undefined || value >= least) && (most === undefined || value <= most);
  return [{ row: row.name, what, asked: least === undefined ? `<= ${most}` : `>= ${least}`, value, met }];
}

/** The figures in Markdown, as in README.md. */
export function tables({ rows, summary }) {
  const names = Object.keys(summary.peers);
  const lines = [['', '', ...names]];
  for (const row of rows) {
    for (const [at, [metric, { unit, digits, noRatio }]] of Object.entries(METRICS[row.kind]).entries()) {
      const cells = names.map((name) => {
        const one = summary.rows[row.name][name];
        if (!one) return '';
        const ratio = one.oursToIt[metric];
        const shown = formatNumber(one[metric], digits);
        return name === 'ours' || noRatio || Number.isNaN(ratio) ? shown : `${shown} (${ratio.toFixed(2)})`;
      });
      lines.push([at === 0 ? row.what : '', unit, ...cells]);
    }
  }
  const limited = rows.flatMap((row) =>
    names
      .filter((name) => summary.rows[row.name][name]?.busy >= BUSY)
      .map((name) => `${row.name} of ${name}`),
  );
  const targets = summary.targets.map(({ what, asked, value, met }) => [
    what,
    asked,
    value.toFixed(2),
    met ? 'yes' : 'NO',
  ]);
  const parts = [markdown(lines), 'In brackets: the median of the rounds, ours divided by the peer.'];
  if (limited.length > 0)
    parts.push(`The load generator was the limit (of rates only): ${limited.join(', ')}.`);
  if (targets.length > 0) parts.push(markdown([['target', 'asked', 'measured', 'met'], ...targets]));
  for (const row of rows.filter(({ kind }) => kind === 'calls')) {
    const calls = Object.entries(summary.rows[row.name]).map(([name, { rounds }]) => [
      name,
      listCalls(rounds[0].raw),
    ]);
    if (calls.length > 0) parts.push(markdown([[row.what, 'which'], ...calls]));
  }
  return parts.join('\n\n');
}

function listCalls({ byName }) {
  return Object.entries(byName)
    .map(([name, count]) => `${name} ${count.toFixed(1)}`)
    .join(', ');
}

function formatNumber(value, digits) {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function markdown(lines) {
  const widths = lines[0].map((_, at) => Math.max(3, ...lines.map((line) => line[at].length)));
  const rule = widths.map((width) => '-'.repeat(width));
  return [lines[0], rule, ...lines.slice(1)]
    .map((line) => `| ${line.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`)
    .join('\n');
}
