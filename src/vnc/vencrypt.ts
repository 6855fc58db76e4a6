import type { LoginConnection } from './connection.js';
import { CHALLENGE_LENGTH, VENCRYPT, veNCryptName } from './protocol.js';
import { challengeResponse } from './challenge-response.js';
import { vncRefusal } from './refusals.js';
import { readConnectionFailure } from './security-result.js';

/** The names of the secrets in messages. */
export const PASSWORD = 'password';
const NAME_AND_PASSWORD = 'user name or the password';

type Credentials = 'none' | 'vnc' | 'plain';
type Encryption = 'none' | 'anonymous' | 'x509';

interface Subtype {
  readonly number: number;
  readonly encryption: Encryption;
  readonly credentials: Credentials;
}

/** The subtypes in the order of preference: a certificate, then a user name. */
const SUBTYPES: readonly Subtype[] = [
  { number: VENCRYPT.x509Plain, encryption: 'x509', credentials: 'plain' },
  { number: VENCRYPT.x509Vnc, encryption: 'x509', credentials: 'vnc' },
  { number: VENCRYPT.x509None, encryption: 'x509', credentials: 'none' },
  { number: VENCRYPT.tlsPlain, encryption: 'anonymous', credentials: 'plain' },
  { number: VENCRYPT.tlsVnc, encryption: 'anonymous', credentials: 'vnc' },
  { number: VENCRYPT.tlsNone, encryption: 'anonymous', credentials: 'none' },
  { number: VENCRYPT.plain, encryption: 'none', credentials: 'plain' },
];

/** Does VeNCrypt 0.2 (rfbproto, "VeNCrypt") up to the SecurityResult. Returns the name of the secret that the server checks. */
export async function doVeNCrypt(connection: LoginConnection): Promise<string | undefined> {
  await agreeOnVersion(connection);
  const subtype = chosenOf(await readSubtypes(connection), connection);
  const choice = Buffer.alloc(4);
  choice.writeUInt32BE(subtype.number);
  connection.bytes.write(choice);
  const { startTls } = connection;
  if (subtype.encryption !== 'none' && startTls) {
    if ((await connection.bytes.takeNumber(1)) !== 1) throw await tlsRefusal(connection);
    await connection.encrypt(startTls, subtype.encryption);
  }
  switch (subtype.credentials) {
    case 'none':
      return undefined;
    case 'vnc':
      await answerChallenge(connection);
      return PASSWORD;
    case 'plain':
      sendNameAndPassword(connection);
      return NAME_AND_PASSWORD;
  }
}

/** VNC authentication (RFC 6143 section 7.2.2). */
export async function answerChallenge({ bytes, login }: LoginConnection): Promise<void> {
  const challenge = await bytes.take(CHALLENGE_LENGTH);
  bytes.write(challengeResponse(login.password, challenge));
}

async function agreeOnVersion({ bytes }: LoginConnection): Promise<void> {
  const version = await bytes.take(2);
  const [major = 0, minor = 0] = version;
  if (major === 0 && minor < 2)
    throw vncRefusal('the VNC server has an old version of VeNCrypt', `version ${major}.${minor}`);
  bytes.write(Buffer.of(0, 2));
  if ((await bytes.takeNumber(1)) !== 0)
    throw vncRefusal('the VNC server does not accept version 0.2 of VeNCrypt', `version ${major}.${minor}`);
}

async function readSubtypes({ bytes }: LoginConnection): Promise<readonly number[]> {
  const count = await bytes.takeNumber(1);
  const list = await bytes.take(4 * count);
  return Array.from({ length: count }, (_, at) => list.readUInt32BE(4 * at));
}

function chosenOf(offered: readonly number[], connection: LoginConnection): Subtype {
  const { login, needsTls } = connection;
  const known = SUBTYPES.filter(({ number }) => offered.includes(number));
  const encrypted = known.filter(({ encryption }) => (encryption !== 'none') === needsTls);
  const chosen = encrypted.find(({ credentials }) => credentials !== 'plain' || login.username !== '');
  if (chosen) return chosen;
  const detail = `offered: ${offered.slice(0, 16).map(veNCryptName).join(', ') || 'nothing'}`;
  if (encrypted.length > 0)
    throw vncRefusal('the VNC server asks for a user name, and "vnc" has no "username"', detail);
  if (known.length > 0 && needsTls)
    throw vncRefusal('the VNC server offers no TLS, which the host\'s "tls" asks for', detail);
  if (known.length > 0 && !connection.isEncrypted)
    throw vncRefusal('the VNC server asks for TLS, and the host has no "tls"', detail);
  const [first] = offered;
  const name = first === undefined ? 'no subtype' : veNCryptName(first);
  throw vncRefusal(`the VNC server asks for VeNCrypt with ${name}, which "vnc" cannot answer`, detail);
}

/** TigerVNC sends a SecurityResult with a reason after the refusal of TLS, whose first number is not needed. */
async function tlsRefusal({ bytes }: LoginConnection): Promise<Error> {
  await bytes.has(4, 500).then(
    () => bytes.takeUnread(4),
    () => undefined,
  );
  const { detail } = (await readConnectionFailure(bytes)) as { detail?: string };
  return vncRefusal('the VNC server could not start TLS', detail);
}

function sendNameAndPassword({ bytes, login }: LoginConnection): void {
  const name = Buffer.from(login.username);
  const password = Buffer.from(login.password);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(name.length, 0);
  lengths.writeUInt32BE(password.length, 4);
  bytes.write(Buffer.concat([lengths, name, password]));
}
