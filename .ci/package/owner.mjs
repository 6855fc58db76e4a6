// Sets the repository and the owner of the package in one place:
//
//   npm run owner -- OWNER/NAME 'Author <mail>' [https://funding.example]
//
// writes `repository`, `homepage`, `bugs`, `author` and `funding` of package.json, and the address in SECURITY.md. With `--check`
// it fails while one of them is a placeholder or belongs to another repository; `npm publish` runs this check.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

/** No account on GitHub can have this name: an underscore is not allowed there. */
const PLACEHOLDER = /PLACEHOLDER_\w+/;
const SECURITY = '.github/SECURITY.md';
const HINT = "run: npm run owner -- OWNER/NAME 'Author <mail>' [FUNDING-URL]";

const read = (root, file) => readFileSync(join(root, file), 'utf8');
const reportPage = (slug) => `https://github.com/${slug}/security/advisories/new`;

function fieldsOf(slug) {
  const page = `https://github.com/${slug}`;
  return {
    repository: { type: 'git', url: `git+${page}.git` },
    homepage: `${page}#readme`,
    bugs: { url: `${page}/issues` },
  };
}

/** OWNER/NAME of a package.json, from `repository`. */
function slugOf({ repository }) {
  return /^git\+https:\/\/github\.com\/([^/]+\/[^/]+)\.git$/.exec(repository?.url ?? '')?.[1];
}

/** The fields that are missing or contradict each other; empty if the package may be published. */
export function ownerFaults(root) {
  const manifest = JSON.parse(read(root, 'package.json'));
  const slug = slugOf(manifest);
  if (slug === undefined) return [`package.json: "repository" must name a repository on GitHub: ${HINT}`];
  const derived = Object.entries(fieldsOf(slug))
    .filter(([name, value]) => JSON.stringify(manifest[name]) !== JSON.stringify(value))
    .map(([name]) => `package.json: "${name}" does not belong to ${slug}: ${HINT}`);
  const open = ['repository', 'author', 'funding']
    .filter((name) => !manifest[name] || PLACEHOLDER.test(JSON.stringify(manifest[name])))
    .map((name) => `package.json: "${name}" is a placeholder: ${HINT}`);
  const security = existsSync(join(root, SECURITY)) ? read(root, SECURITY) : '';
  const isLinked = security.includes(`(${reportPage(slug)})`);
  return [...open, ...derived, ...(isLinked ? [] : [`${SECURITY}: no link to ${reportPage(slug)}: ${HINT}`])];
}

function write(root, slug, author, fundingUrl) {
  const [owner] = slug.split('/');
  const funding = { url: fundingUrl ?? `https://github.com/sponsors/${owner}` };
  edit(root, 'package.json', (manifest) => Object.assign(manifest, { ...fieldsOf(slug), author, funding }));
  // npm repeats this field in the lock.
  edit(root, 'package-lock.json', ({ packages }) => Object.assign(packages[''], { funding }));
  const text = read(root, SECURITY);
  writeFileSync(
    join(root, SECURITY),
    text.replace(/https:\/\/github\.com\/[\w./-]+\/security\/advisories\/new/g, reportPage(slug)),
  );
}

function edit(root, file, change) {
  const value = JSON.parse(read(root, file));
  change(value);
  writeFileSync(join(root, file), `${JSON.stringify(value, undefined, 2)}\n`);
}

export function runOwner([first = '', author = '', funding], root) {
  if (first === '--check') return ownerFaults(root);
  if (!/^[A-Za-z\d-]+\/[\w.-]+$/.test(first) || author === '') return [HINT];
  if (funding !== undefined && !/^https:\/\/\S+$/.test(funding))
    return ['the address for funding must begin with https://'];
  write(root, first, author, funding);
  return [];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  for (const fault of runOwner(process.argv.slice(2), process.cwd())) {
    process.stderr.write(`${fault}\n`);
    process.exitCode = 1;
  }
