// Reads what the reporter wrote. `failed FILE`, after a run that vitest calls failed, prints the spec files to run once more;
// `summary FOLDER NAMES` names each test that failed, and ends with "N passed, N failed".
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

/** Number of the slowest files to name for each run. */
const SLOWEST = 12;

/** More files than this have a common cause, which is no chance. */
const MOST_BY_CHANCE = 3;

const say = (line) => process.stdout.write(`${line}\n`);
const [task, ...args] = process.argv.slice(2);
if (task === 'failed') for (const file of toRunAgain(args[0])) say(file);
if (task === 'summary') process.exitCode = summary(args[0], args.slice(1)) ? 0 : 1;

/** A run that wrote nothing, or only a part, has failed; and so has a run without a test. */
function read(report) {
  const nothing = { files: [], passed: 0, bad: [], seconds: {} };
  try {
    const result = { ...nothing, errors: [], ...JSON.parse(readFileSync(report, 'utf8')) };
    const isEmpty = result.passed === 0 && result.bad.length === 0;
    return isEmpty ? { ...result, errors: [...result.errors, 'no test has run'] } : result;
  } catch (error) {
    return { ...nothing, errors: [`there is no result: ${error.message}`] };
  }
}

function toRunAgain(report) {
  const result = read(report);
  const { bad, errors } = result;
  // vitest itself failed, such as by a process that does not end: the summary must know.
  if (bad.length + errors.length === 0)
    writeFileSync(report, JSON.stringify({ ...result, errors: ['the run failed, but no test did'] }));
  const files = [...new Set(bad.map(({ file }) => file))];
  return errors.length > 0 || files.length > MOST_BY_CHANCE ? [] : files;
}

function summary(folder, names) {
  let passed = 0;
  let failed = 0;
  for (const name of names) {
    const report = read(join(folder, `${name}.json`));
    const again = filesOf(folder).filter((file) => file.startsWith(`${name}.again`));
    const seconds = again.map((file) => read(join(folder, file)));
    // Nothing of the file may have failed then.
    const well = seconds
      .filter(({ bad, errors }) => bad.length + errors.length === 0)
      .flatMap(({ files }) => files);
    passed += report.passed;
    for (const { file, title, why } of report.bad) {
      const isPassed = well.includes(file);
      say(`${isPassed ? 'passed only by itself' : 'FAILED'} (${name}): ${file}: ${title}\n${why}\n`);
      if (isPassed) passed++;
      else failed++;
    }
    for (const error of report.errors) say(`FAILED (${name}), outside of any test: ${error}\n`);
    failed += report.errors.length;
    sayTimes(name, report.seconds);
  }
  say(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0;
}

function filesOf(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function sayTimes(name, seconds) {
  const entries = Object.entries(seconds).sort(([, a], [, b]) => b - a);
  const sum = entries.reduce((total, [, time]) => total + time, 0);
  const slowest = entries.slice(0, SLOWEST).map(([file, time]) => `${file} ${time}`);
  say(`times (${name}): ${sum} s in all; the slowest files: ${slowest.join(', ')}`);
}
