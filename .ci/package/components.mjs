// The information in `dist/bundled/` about its packages: their licences, and a machine-readable list.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** An installed package: name, version, and the text of the licence. */
export function componentOf(root, name) {
  const folder = join(root, 'node_modules', name);
  const { version, license } = JSON.parse(read(join(folder, 'package.json')));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined || typeof license !== 'string') throw new Error(`${name} has no licence file`);
  return { name, version, license, text: read(join(folder, file)) };
}

/** A development dependency of a package, compiled into the file that the package publishes. */
export function compiledIn(root, container, name, license) {
  const { devDependencies } = JSON.parse(read(join(root, 'node_modules', container, 'package.json')));
  const version = devDependencies[name];
  // A missing file means a new version, whose licence nobody has read.
  const text = read(join(import.meta.dirname, 'licences', `${name}-${version}.txt`));
  return { name, version, license, text };
}

function read(file) {
  return readFileSync(file, 'utf8').replaceAll('\r\n', '\n').trim();
}

export function noticeOf(components) {
  const parts = components.map(
    ({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text}\n`,
  );
  return [
    'The files of this folder contain these packages, unchanged but for the format of the modules.\n',
    ...parts,
  ].join(`\n${'-'.repeat(80)}\n\n`);
}

/** A CycloneDX document. `npm sbom` lists only installed packages, and bundled packages are not installed. */
export function documentOf(components) {
  const list = components.map(({ name, version, license }) => ({
    type: 'library',
    name,
    version,
    'bom-ref': `${name}@${version}`,
    licenses: [{ license: { id: license } }],
    purl: `pkg:npm/${name}@${version}`,
  }));
  const document = { bomFormat: 'CycloneDX', specVersion: '1.5', version: 1, components: list };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
