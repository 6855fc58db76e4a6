import { readFileSync, existsSync } from 'node:fs';

const FOLDERS = ['/etc/systemd/system', '/lib/systemd/system', '/usr/lib/systemd/system'];

/** The section [Service] of a unit as lists of values, with `%i` filled in. `name` has no `.service`. */
export function readService(name) {
  const [, template, instance] = /^([^@]+)@(.+)$/.exec(name) ?? [undefined, name, undefined];
  const file = instance === undefined ? `${name}.service` : `${template}@.service`;
  const folder = FOLDERS.find((one) => existsSync(`${one}/${file}`));
  if (folder === undefined) throw new Error(`Unit ${name}.service could not be found.`);
  const settings = new Map();
  let section = '';
  for (const line of readFileSync(`${folder}/${file}`, 'utf8').split('\n')) {
    section = /^\[(\w+)\]/.exec(line)?.[1] ?? section;
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (section !== 'Service' || key === undefined) continue;
    settings.set(key, [...(settings.get(key) ?? []), value.replaceAll('%i', instance ?? '')]);
  }
  return {
    all: (key) => settings.get(key) ?? [],
    get: (key, fallback = '') => settings.get(key)?.at(-1) ?? fallback,
  };
}

/** The variables of `Environment=` and `EnvironmentFile=`. */
export function environmentOf(service) {
  const words = service.all('Environment').flatMap(splitWords);
  const lines = service.all('EnvironmentFile').flatMap((entry) => {
    const path = entry.replace(/^-/, '');
    if (entry.startsWith('-') && !existsSync(path)) return [];
    return readFileSync(path, 'utf8').split('\n');
  });
  const assignments = [...words, ...lines].filter((line) => /^\w+=/.test(line));
  return Object.fromEntries(
    assignments.map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1).replace(/^"(.*)"$/, '$1')];
    }),
  );
}

/** The arguments of an `Exec...=` line. As in systemd, `$X` may become several arguments, and `${X}` is part of one argument. */
export function commandOf(line, variables) {
  return splitWords(line).flatMap((word) => {
    const whole = /^\$(\w+)$/.exec(word);
    if (whole) return (variables[whole[1]] ?? '').split(/\s+/).filter((part) => part !== '');
    return [word.replaceAll(/\$\{(\w+)\}/g, (_, name) => variables[name] ?? '')];
  });
}

function splitWords(text) {
  return [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
}
