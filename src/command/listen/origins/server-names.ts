import { hostname } from 'node:os';
import { isFixedName } from '../../../request/fixed-name.js';

/**
 * The names under which browsers may reach this server, where no `--origin` says whose pages may connect.
 *
 * A page of any site can have its own name resolved to this server's address (DNS rebinding): its Origin and its Host then agree, on
 * that name. An address can't be rebound: a page at `http://192.0.2.7:6080` came from there.
 */
export class ServerNames {
  readonly #names: ReadonlySet<string>;
  readonly #isInCertificate: (name: string) => boolean;

  /** `given`: the names of `--name`. `isInCertificate`: whether this server's certificate is for a name. */
  constructor(
    given: readonly string[],
    isInCertificate: (name: string) => boolean = () => false,
    ownName = hostname(),
  ) {
    this.#isInCertificate = isInCertificate;
    // Empty where the machine has no name: an empty entry would be `.local` and nothing else.
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

/** Is this text a host name, without a port? Addresses need no `--name`. */
export function isHostName(text: string): boolean {
  // The root's final dot may be written.
  const name = text.replace(/\.$/, '');
  if (name === '' || name.length > 253 || /[^\p{L}\p{N}._-]/u.test(name)) return false;
  return name.split('.').every((label) => label !== '') && URL.canParse(`http://${name}`);
}

/** As URL writes it (lower case, Punycode), without the root's final dot. */
function normalizeName(name: string): string {
  const plain = name.replace(/\.$/, '');
  return URL.canParse(`http://${plain}`) ? new URL(`http://${plain}`).hostname : plain.toLowerCase();
}
