import { dirname, resolve } from 'node:path';
import { CommandError, EXIT, messagesOf } from '../../exit.js';
import { requireFolder } from '../../files.js';
import { printMessage, type Io } from '../../process/io.js';
import { readAccounts } from '../login/accounts.js';
import { readCertificate } from '../server/certificate.js';
import { startupWarnings } from '../startup/warnings.js';
import { leftOutLines } from '../startup/left-out.js';
import { LoginMemory } from '../login/login-memory.js';
import { foldersOf, type Plan } from '../plan.js';
import { requireNovnc } from '../site/novnc/folder.js';
import { checkRecordFolder } from '../site/recorders.js';
import { checkTrustProxy } from '../site/site.js';
import { passwordOf, requireClient } from '../shared/redis-connection.js';
import { openTokens } from '../tokens/open-tokens.js';
import type { TokenSettings } from './token-settings.js';
import { identityOf } from '../user/process-user.js';

type Check = () => unknown;

/**
 * `--check-config`: reports every error in the settings and their files, and the warnings of a start. Opens no port, starts no
 * program and writes no file.
 *
 * @throws {CommandError} with all errors
 */
export async function checkConfig(io: Io, plan: Plan): Promise<number> {
  const warnings: string[] = leftOutLines(plan);
  const errors: unknown[] = [];
  for (const check of checksOf(plan, (line) => warnings.push(line)))
    try {
      await check();
    } catch (error) {
      errors.push(error);
    }
  // Only without errors, since the warnings need existing folders.
  if (errors.length === 0) warnings.push(...startupWarnings(plan));
  for (const line of warnings) printMessage(io, `warning: ${line}`);
  const [first, ...more] = errors.flatMap((error) => messagesOf(error));
  if (first !== undefined) throw new CommandError(EXIT.config, first, { more, cause: errors[0] });
  io.stdout.write(`${plan.config ?? 'the command line'}: no errors\n`);
  return EXIT.ok;
}

/** One check per file, so that an error does not hide other errors. */
function checksOf(plan: Plan, warn: (line: string) => void): Check[] {
  const { listen, tls, auth, tokens, user, trustProxy, shared } = plan;
  const checks: (Check | undefined)[] = [
    tls && (() => readCertificate(tls, warn)),
    ...auth.map((file) => () => readAccounts([file], warn, { memory: new LoginMemory() })),
    ...foldersOf(plan).map(
      ({ folder }) =>
        () =>
          requireFolder(folder),
    ),
    () => requireNovnc(plan),
    tokens === undefined ? undefined : () => checkTokens(tokens, warn),
    ...[plan.log, plan.health?.socket, plan.metrics?.socket, ...listen.map(({ socket }) => socket)].map(
      (file) =>
        file !== undefined && file !== '-' ? () => requireFolder(dirname(resolve(file))) : undefined,
    ),
    () => checkRecordFolder(plan),
    shared && (() => passwordOf(shared, {})),
    shared && requireClient,
    user && (() => identityOf(user)),
    trustProxy === undefined ? undefined : () => checkTrustProxy(trustProxy),
  ];
  return checks.filter((check) => check !== undefined);
}

async function checkTokens(tokens: TokenSettings, warn: (line: string) => void): Promise<void> {
  (await openTokens(tokens, warn, { connects: false })).close();
}
