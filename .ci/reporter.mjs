// A vitest reporter: writes what the run came to into the file that CI_REPORT names.
import { writeFileSync } from 'node:fs';
import process from 'node:process';

export default class {
  onTestRunEnd(modules, unhandledErrors) {
    const files = modules.map(({ relativeModuleId }) => relativeModuleId);
    const bad = modules.flatMap((module) => badOf(module));
    const tests = modules.flatMap(({ children }) => [...children.allTests()]);
    const passed = tests.filter((test) => test.result().state === 'passed').length;
    // Outside of any test.
    const errors = unhandledErrors.map((error) => error.stack ?? error.message);
    const seconds = Object.fromEntries(modules.map((module) => [module.relativeModuleId, secondsOf(module)]));
    writeFileSync(process.env.CI_REPORT, JSON.stringify({ files, passed, bad, errors, seconds }));
  }
}

function secondsOf(module) {
  const { duration, collectDuration, setupDuration, prepareDuration } = module.diagnostic();
  return Math.round((duration + collectDuration + setupDuration + prepareDuration) / 1000);
}

/** What did not pass of a file: a skipped test counts, and so does a file that does not load, or a group's hook that fails. */
function badOf(module) {
  const file = module.relativeModuleId;
  const tests = [...module.children.allTests()].filter((test) => test.result().state !== 'passed');
  return [
    ...tests.map((test) => ({
      file,
      title: test.fullName,
      why: whyOf(test.result().errors, test.result().state),
    })),
    ...[module, ...module.children.allSuites()]
      .filter((group) => group.errors().length > 0)
      .map((group) => ({
        file,
        title: group === module ? 'the file itself' : group.fullName,
        why: whyOf(group.errors(), 'failed'),
      })),
  ];
}

function whyOf(errors = [], state) {
  return errors.map((error) => error.stack ?? error.message).join('\n') || state;
}
