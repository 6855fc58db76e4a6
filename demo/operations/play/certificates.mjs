import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:tls';

const FOLDER = '/etc/letsencrypt/live/desk.example.com';
const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });

/** A certificate authority in place of Let's Encrypt. The clients of the play accept its certificates. */
export class Authority {
  #serial = 0x1000;

  constructor() {
    mkdirSync(FOLDER, { recursive: true });
    // prettier-ignore
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=Authority of the play', '-keyout', `${FOLDER}/ca.key`, '-out', `${FOLDER}/ca.pem`);
    this.ca = readFileSync(`${FOLDER}/ca.pem`, 'utf8');
  }

  /** Writes a new certificate and key to certbot's folder. Returns the variable that certbot gives to its hooks, and the serial number. */
  renew() {
    const serial = (this.#serial += 1).toString(16).toUpperCase();
    // prettier-ignore
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
      '-subj', '/CN=desk.example.com', '-keyout', `${FOLDER}/privkey.pem`, '-out', `${FOLDER}/request.pem`);
    writeFileSync(`${FOLDER}/names`, 'subjectAltName=DNS:desk.example.com\n');
    // prettier-ignore
    openssl('x509', '-req', '-in', `${FOLDER}/request.pem`, '-CA', `${FOLDER}/ca.pem`, '-CAkey', `${FOLDER}/ca.key`,
      '-set_serial', `0x${serial}`, '-days', '2', '-extfile', `${FOLDER}/names`, '-out', `${FOLDER}/fullchain.pem`);
    return { env: { RENEWED_LINEAGE: FOLDER }, serial };
  }
}

/** The serial number of the certificate that a new client gets. */
export function servedSerial(ca, host = 'desk.example.com') {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, servername: 'desk.example.com', port: 443, ca });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
  });
}
