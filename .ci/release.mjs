// Checks whether this commit can be released, and prints the next steps. The script never publishes, tags or pushes.
//
//   npm run release:check                  before the tag: builds, and checks everything
//   npm run release:check -- --tag v1.2.3  in the publish workflow, for the tag that started it
//   node .ci/release.mjs --dist-tag        prints npm's tag for this version: latest, or release-1.2 for a fix of an older one
//   npm run release:check -- --quick       without the build and the type checks, with the present dist/
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ownerFaults } from './package/owner.mjs';
import {
  changelogFaults,
  distTagOf,
  scriptFaults,
  tagFaults,
  tarballFaults,
  treeFaults,
  versionFaults,
  versionOf,
} from './package/release-checks.mjs';

const FLAGS = { quick: { type: 'boolean' }, 'dist-tag': { type: 'boolean' } };
const { values } = parseArgs({ options: { tag: { type: 'string' }, ...FLAGS } });
const root = process.cwd();
if (values['dist-tag']) process.stdout.write(`${distTagOf(root)}\n`);
else check();

function check() {
  const faults = [
    ...treeFaults(root),
    ...versionFaults(root),
    ...changelogFaults(root),
    ...tagFaults(root, values.tag),
    ...ownerFaults(root),
  ];
  // The build takes a minute: the quick checks run first. `test:package` builds, then runs publint and attw.
  if (faults.length === 0 && !values.quick) faults.push(...scriptFaults(root, 'test:package'));
  if (faults.length === 0) faults.push(...tarballFaults(root));
  report(faults);
}

function report(faults) {
  const tag = `v${versionOf(root)}`;
  for (const fault of faults) process.stderr.write(`release: ${fault}\n`);
  if (faults.length > 0) {
    process.stderr.write(`release: ${tag} is not ready\n`);
    process.exitCode = 1;
    return;
  }
  const next = values.tag
    ? [`npm publish --tag ${distTagOf(root)}`]
    : [`git tag --sign ${tag} --message ${tag}`, `git push origin ${tag}`, 'approve the publish workflow'];
  process.stdout.write(`${tag} is ready. Next:\n${next.map((line) => `  ${line}\n`).join('')}`);
}
