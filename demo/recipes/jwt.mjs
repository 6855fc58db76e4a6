// JWT: a signed token in a cookie or in the query opens the tunnel (jose).
//
//   npm install express cookie-parser jose express-wstunnel
//   node jwt.mjs
//
// Settings: PORT, VNC_PORT (see README.md), and JWT_SECRET, 32 random bytes in base64 (openssl rand -base64 32).
// By default the secret is random, and the program prints a token to try.
//
// A browser's WebSocket sends cookies, but no Authorization header. Make the cookie HttpOnly, Secure and
// SameSite=Strict. Proxies log a token in the query: let such a token expire within a minute. An open tunnel outlives
// the token.
import { createSecretKey, randomBytes } from 'node:crypto';
import cookieParser from 'cookie-parser';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { jwtVerify, SignJWT } from 'jose';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const JWT_SECRET = process.env.JWT_SECRET ?? randomBytes(32).toString('base64');

const key = createSecretKey(JWT_SECRET, 'base64');
const rules = {
  algorithms: ['HS256'],
  issuer: 'https://login.example.com',
  audience: 'desktop', // a token for another service opens nothing here
  requiredClaims: ['sub', 'exp'],
};

async function requireToken(req, res, next) {
  const token = req.query.token ?? req.cookies.token;
  const verified = await jwtVerify(token, key, rules).catch(() => undefined);
  if (!verified) return res.sendStatus(401);
  req.user = { id: verified.payload.sub }; // the name in events
  next();
}

const app = express();
app.use('/vnc', cookieParser(), requireToken, wstunnel({ server: { port: VNC_PORT } }));

if (!process.env.JWT_SECRET) {
  const { issuer, audience } = rules;
  const token = new SignJWT({ sub: 'ann', iss: issuer, aud: audience }).setExpirationTime('5 minutes');
  const signed = await token.setProtectedHeader({ alg: 'HS256' }).sign(key);
  console.log(`for five minutes: ws://127.0.0.1:PORT/vnc?token=${signed}`);
}

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
