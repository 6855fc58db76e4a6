// An SSH terminal as an in-process backend, over ssh2 (https://www.npmjs.com/package/ssh2). It follows the size of the page's window.
//
//   npm install express express-session ssh2 express-wstunnel @xterm/xterm @xterm/addon-attach @xterm/addon-fit
//   node in-process-ssh.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md); SSH_HOST, SSH_PORT and SSH_USER (127.0.0.1, 22, desk);
// SSH_KEY, the file with the private key (id_ed25519); SSH_HOST_KEY, the file with the host's public key
// (ssh_host_ed25519_key.pub).
import { readFileSync } from 'node:fs';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { Client } from 'ssh2';
import { login, requireLogin } from './login.mjs';
import { terminalPage } from './terminal-page.mjs';
import { firstSize, sizeIn } from './terminal-size.mjs';

const { SSH_HOST = '127.0.0.1', SSH_PORT = '22', SSH_USER = 'desk' } = process.env;
const { SSH_KEY = 'id_ed25519', SSH_HOST_KEY = 'ssh_host_ed25519_key.pub' } = process.env;

const privateKey = readFileSync(SSH_KEY);
const hostKey = Buffer.from(readFileSync(SSH_HOST_KEY, 'utf8').split(' ')[1], 'base64');

const terminal = (req, { signal }) =>
  new Promise((resolve, reject) => {
    const ssh = new Client();
    signal.addEventListener('abort', () => ssh.end());
    ssh.on('error', reject);
    ssh.on('ready', () => {
      ssh.shell({ term: 'xterm-256color', ...firstSize(req.query) }, (error, channel) => {
        if (error) reject(error);
        else resolve(channel.on('close', () => ssh.end()));
      });
    });
    ssh.connect({
      host: SSH_HOST,
      port: Number(SSH_PORT),
      username: SSH_USER,
      privateKey,
      hostVerifier: (key) => key.equals(hostKey), // without this check, any server at this address could pose as the host
    });
  });

const app = express();
app.use(login);

const tunnel = wstunnel({
  server: terminal,
  control: (message, _tunnel, channel) => {
    const size = sizeIn(message);
    if (size) channel.setWindow(size.rows, size.cols, 0, 0);
  },
});
app.use('/terminal', requireLogin, tunnel);

app.use(terminalPage('/terminal', { resizes: true }));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
