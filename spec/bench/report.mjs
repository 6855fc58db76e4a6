// Medians, ratios, and the tables.
import { findPeer } from './peers.mjs';
import { METRICS } from './rows/metrics.mjs';

/** Per cent of a core: above this use, the load rather than the relay may have limited the result. */
const BUSY = 95;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median of the rounds' ratios: ours divided by another figure, or by the sum of several. */
function ratioOf(ours = [], others, metric) {
  const ratios = ours.flatMap((one) => {
    const same = others.map((rounds = []) => rounds.find(({ round }) => round === one.round));
    const sum = same.reduce((total, other) => total + (other?.[metric] ?? NaN), 0);
    return sum > 0 ? [one[metric] / sum] : [];
  });
  return median(ratios);
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
      const ratios = metrics.map((metric) => [metric, ratioOf(ours, [rounds], metric)]);
      ofRow[name] = { ...Object.fromEntries(each), oursToIt: Object.fromEntries(ratios), rounds };
    }
  }
  return {
    ...rest,
    peers: Object.fromEntries(peers.map((peer) => [peer.name, peer.version()])),
    rows: medians,
    targets: rows.flatMap((row) =>
      (row.targets ?? []).flatMap((target) => judge(row, target, { peers, results })),
    ),
  };
}

function judge(row, target, { peers, results }) {
  const { metric, against, least, most } = target;
  const { unit } = METRICS[row.kind][metric];
  const terms = (typeof against === 'string' ? [{ peer: against }] : (against ?? [])).map((term) => ({
    row: term.row,
    peer: findPeer(peers, term.peer)?.name ?? term.peer,
  }));
  const ours = results.get(row.name)?.get('ours') ?? [];
  const others = terms.map((term) => results.get(term.row ?? row.name)?.get(term.peer));
  const value = against ? ratioOf(ours, others, metric) : median(ours.map((one) => one[metric]));
  if (Number.isNaN(value)) return [];
  const names = terms.map((term) => `${term.peer}'s${term.row ? ` (${term.row})` : ''}`).join(' + ');
  const compared = terms.length > 1 ? `(${names})` : names;
  const what = `${row.what}: ${unit}${against ? `, ours / ${compared}` : ''}`;
  const met = (least === undefined || value >= least) && (most === undefined || value <= most);
  const asked = least === undefined ? `<= ${most}` : `>= ${least}`;
  return [{ row: row.name, metric, what, asked, value, met }];
}

/** The figures in Markdown, as in README.md. */
export function tables({ rows, summary }) {
  const names = Object.keys(summary.peers).filter((name) => rows.some((row) => summary.rows[row.name][name]));
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
  const targets = summary.targets.map(({ what, asked, value, met }) => [
    what,
    asked,
    value.toFixed(2),
    met ? 'yes' : 'NO',
  ]);
  const parts = [markdown(lines), 'In brackets: the median of the rounds, ours divided by the peer.'];
  parts.push(...notesOnLoad({ rows, summary }));
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

/** Whether the load's core was the limit, and whether the measured end had real-time priority. */
function notesOnLoad({ rows, summary }) {
  const each = rows.flatMap((row) =>
    Object.entries(summary.rows[row.name]).map(([peer, one]) => ({
      ...one,
      title: `${row.name} of ${peer}`,
    })),
  );
  const titles = (some) => some.map(({ title }) => title).join(', ');
  const limited = each.filter((one) => one.busy >= BUSY || one.full >= BUSY);
  const withPriority = (had) => each.filter(({ rounds }) => rounds.some(({ raw }) => raw.priority === had));
  const refused = withPriority(false);
  const notes = [];
  if (limited.length > 0) notes.push(`The load generator was the limit (of rates only): ${titles(limited)}.`);
  if (withPriority(true).length > 0)
    notes.push(
      'The measured end of the rows beside bulk tunnels, at half of the capacity and with workers had real-time priority.',
    );
  if (refused.length > 0)
    notes.push(
      `THE MACHINE REFUSED REAL-TIME PRIORITY: the load's own delays are part of ${titles(refused)}. Run as root, or with CAP_SYS_NICE.`,
    );
  return notes;
}

function listCalls({ byName }) {
  return Object.entries(byName)
    .map(([name, count]) => `${name} ${count.toFixed(1)}`)
    .join(', ');
}

function formatNumber(value, digits) {
  if (!Number.isFinite(value)) return '';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function markdown(lines) {
  const widths = lines[0].map((_, at) => Math.max(3, ...lines.map((line) => line[at].length)));
  const rule = widths.map((width) => '-'.repeat(width));
  return [lines[0], rule, ...lines.slice(1)]
    .map((line) => `| ${line.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`)
    .join('\n');
}
