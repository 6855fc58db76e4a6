// Tokens: websockify's token file, and tokens that another program signs for a minute (jose).
//
//   npm install express express-wstunnel jose
//   node tokens.mjs
//
// Settings: PORT (see README.md), TOKENS (a file of lines `token: host:port`; default none), TARGETS (the targets that tokens
// may lead to; default 127.0.0.1:5900), and JWT_SECRET, 32 random bytes in base64 (openssl rand -base64 32) that the other
// program has as well. By default the secret is random, and the program prints a token to try.
//
// A token of the file is valid while its line is in the file. A signed token contains its target and its user, so this program
// needs no list of tokens. If your users have a login, put it before the tunnel.
import { randomBytes } from 'node:crypto';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { fileTokens, jwtTokens, tokenServer } from 'express-wstunnel/tokens';
import { SignJWT } from 'jose';

const { TOKENS, TARGETS = '127.0.0.1:5900' } = process.env;
const JWT_SECRET = process.env.JWT_SECRET || randomBytes(32).toString('base64');

const key = Buffer.from(JWT_SECRET, 'base64');
const targets = TARGETS.split(',');
const signed = jwtTokens({ key, algorithms: ['HS256'], audience: 'vnc' });
const server = TOKENS
  ? tokenServer(fileTokens(TOKENS), signed, { targets })
  : tokenServer(signed, { targets });

const app = express();
app.use('/vnc', wstunnel({ server }));

// What the other program does. `sub` is the user in events and limits; `maxDuration` ends the tunnel after an hour.
function sign(target) {
  const [, host, port] = /^(.*):(\d+)$/.exec(target) ?? [];
  const token = new SignJWT({ host, port: Number(port), sub: 'ann', maxDuration: 3600, aud: 'vnc' });
  return token.setExpirationTime('1 minute').setProtectedHeader({ alg: 'HS256' }).sign(key);
}

const listener = app.listen(process.env.PORT ?? 8080, '127.0.0.1', async (error) => {
  if (error) throw error;
  const { port } = listener.address();
  console.log(`listening on http://127.0.0.1:${port}/`);
  if (!process.env.JWT_SECRET)
    console.log(`for a minute: ws://127.0.0.1:${port}/vnc?token=${await sign(targets[0])}`);
});
