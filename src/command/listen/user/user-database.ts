import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The fields of an entry of /etc/passwd or /etc/group, by name or number. getent finds users of LDAP and systemd. */
export function databaseEntry(database: 'passwd' | 'group', name: string): string[] | undefined {
  const entries = [...fileOf(database), ...askedFor(database, name)].map((line) => line.trim().split(':'));
  return entries.find(([own]) => own === name) ?? entries.find(([, , number]) => number === name);
}

function fileOf(database: string): string[] {
  try {
    return readFileSync(`/etc/${database}`, 'utf8').split('\n');
  } catch {
    // Windows and minimal images have no such file.
    return [];
  }
}

function askedFor(database: string, name: string): string[] {
  try {
    const text = execFileSync('getent', [database, name], {
      encoding: 'utf8',
      timeout: 5000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.split('\n');
  } catch {
    // The entry does not exist, or getent does not (musl, distroless).
    return [];
  }
}
