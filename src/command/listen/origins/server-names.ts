import { hostname } from 'node:os';
import { isFixedName } from '../../../request/fixed-name.js';

/**
 * The names of this server, for the default origin check (without `--origin`).
 *
 * Any site can resolve its own name to this server's address (DNS rebinding): Origin and Host are then equal, but both are the
 * site's name. An address can't be rebound: a page of `http://192.0.2.7:6080` comes from that address.
 */
export class ServerNames {
  readonly #names: ReadonlySet<string>;
  readonly #isInCertificate: (name: string) => boolean;

  /** `given`: the names from `--name`. `isInCertificate`: is the server's certificate valid for a name? */
  constructor(
    given: readonly string[],
    isInCertificate: (name: string) => boolean = () => false,
    ownName = hostname(),
  ) {
    this.#isInCertificate = isInCertificate;
    // Empty if the machine has no name: `.local` alone must not be added.
    const own = normalizeName(ownName);
    const [label = ''] = own.split('.');
    this.#names = new Set([
      ...given.map(normalizeName),
      ...(label === '' ? [] : [own, label, `${label}.local`]),
    ]);
  }

  /** `host` as in a URL: a name, an IPv4 address, or an IPv6 address in brackets. */
  has(host: string): boolean {
    const name = normalizeName(host);
    if (isFixedName(name)) return true;
    return name !== '' && (this.#names.has(name) || this.#isInCertificate(name));
  }
}

export const NAME_RULE = 'must be a host name without a port, such as desk.example.com';

/** Is the text a host name without a port? Addresses need no `--name`, and are not accepted. */
export function isHostName(text: string): boolean {
  // A final dot (the DNS root) is allowed.
  const name = text.replace(/\.$/, '');
  if (name === '' || name.length > 253 || /[^\p{L}\p{N}._-]/u.test(name)) return false;
  return name.split('.').every((label) => label !== '') && URL.canParse(`http://${name}`);
}

/** A name as URL writes it (lower case, Punycode), without the final dot of the DNS root. */
function normalizeName(name: string): string {
  const plain = name.replace(/\.$/, '');
  return URL.canParse(`http://${plain}`) ? new URL(`http://${plain}`).hostname : plain.toLowerCase();
}
