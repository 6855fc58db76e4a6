/**
 * Names from other programs and libraries, each with our names for the same thing. The first of our names that is known in the
 * given place is suggested. Names that differ from ours by spelling only are not listed. All names are in lower case without
 * dashes.
 */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  // Addresses, of the listener or of the backend: options of the command, of a host, or of the middleware.
  port: ['listen', 'local', 'server'],
  bind: ['listen', 'local', 'localAddress'],
  host: ['listen', 'local', 'server'],
  hostname: ['host', 'listen', 'local', 'server'],
  address: ['host', 'listen', 'local', 'server'],
  ip: ['host', 'listen', 'local', 'server'],
  listen: ['local'],
  socket: ['unix', 'local', 'server'],
  // The backends.
  target: ['server', 'url'],
  targets: ['server'],
  backend: ['server'],
  backends: ['server'],
  upstream: ['server'],
  proxypass: ['server'],
  hosts: ['server'],
  command: ['spawn'],
  path: ['socket', 'url'],
  unix: ['socket', 'local'],
  // Files, certificates and logins.
  static: ['web'],
  root: ['web'],
  docroot: ['web'],
  documentroot: ['web'],
  tls: ['cert'],
  ssl: ['tls', 'cert'],
  https: ['tls', 'cert'],
  secure: ['tls', 'cert'],
  certificate: ['cert'],
  pem: ['cert'],
  cafile: ['ca', 'client-ca'],
  cacert: ['ca', 'client-ca'],
  password: ['auth', 'vnc', 'user'],
  passwd: ['auth', 'user'],
  login: ['auth', 'user'],
  username: ['auth', 'user'],
  htpasswd: ['auth'],
  basic: ['auth', 'user'],
  auth: ['authenticate', 'user'],
  authorize: ['authenticate'],
  token: ['tokens', 'bearer'],
  // Clients that may connect.
  cors: ['origins', 'origin'],
  whitelist: ['allow'],
  allowlist: ['allow'],
  blacklist: ['deny'],
  blocklist: ['deny'],
  servername: ['name'],
  domain: ['name'],
  // VNC: options inside `vnc`, or given beside it.
  viewonly: ['viewOnly', 'vnc'],
  readonly: ['viewOnly', 'vnc'],
  inputidletimeout: ['vnc'],
  idletimeout: ['inputIdleTimeout'],
  passwordfile: ['passwordFile', 'password', 'vnc'],
  // Other options.
  heartbeat: ['pingInterval', 'ping'],
  maxconnections: ['maxTunnels', 'limits'],
  conf: ['config'],
  settings: ['config'],
  debug: ['verbose'],
  protocol: ['subprotocol'],
  protocols: ['subprotocol'],
};

/** The known name that is most likely meant by an unknown name; undefined if no known name is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = plainOf(name);
  const same = known.find((candidate) => plainOf(candidate) === plain);
  if (same !== undefined || plain === '') return same;
  const synonyms = Object.hasOwn(SYNONYMS, plain) ? (SYNONYMS[plain] ?? []) : [];
  return synonyms.find((synonym) => known.includes(synonym)) ?? misspelt(name, plain, known);
}

/** Letter case and separators between words make no difference. */
function plainOf(name: string): string {
  return name.toLowerCase().replace(/[-_.\s]/g, '');
}

function misspelt(name: string, plain: string, known: readonly string[]): string | undefined {
  const scored = known.map((candidate) => ({ candidate, far: distance(plain, plainOf(candidate)) }));
  const [best] = scored
    .filter(({ candidate, far }) => far <= tolerance(Math.min(lastPart(name), lastPart(candidate))))
    .sort((a, b) => a.far - b.far);
  // The beginning of exactly one known name.
  const begun = known.filter((candidate) => plain.length > 2 && plainOf(candidate).startsWith(plain));
  return best?.candidate ?? (begun.length === 1 ? begun[0] : undefined);
}

/** The number of letters after the last dot: in `server.root` the letters of `server` say nothing. */
function lastPart(name: string): number {
  return plainOf(name.slice(name.lastIndexOf('.') + 1)).length;
}

/** Two wrong letters of four make another word (`port` is not `cert`); in a word of seven letters they are a typing error. */
function tolerance(length: number): number {
  return length < 3 ? 0 : length < 6 ? 1 : Math.floor(length / 3);
}

/** The Damerau-Levenshtein distance: insertions, deletions, replacements, and two adjacent letters in the wrong order. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwapped ? (before[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
