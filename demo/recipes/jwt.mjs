// JWT: a signed token in a cookie or in the query opens the tunnel (jose).
//
//   npm install express cookie-parser jose express-wstunnel
//   node jwt.mjs
//
// Settings: PORT, VNC_PORT (see README.md), and JWT_SECRET, 32 random bytes in base64 (openssl rand -base64 32).
// By default the secret is random, and the program prints a token to try.
//
// A browser's WebSocket sends cookies, but no Authorization header. Make the cookie HttpOnly, Secure and
// SameSite=Strict. Proxies log a token in the query: let such a token expire within a minute. With
// `revalidate` the tunnel ends when the cookie's token has expired. A token in the query has to be valid only when the
// tunnel opens: give such tokens an audience of their own, so that nobody uses the cookie's token in the query.
import { createSecretKey, randomBytes } from 'node:crypto';
import cookieParser from 'cookie-parser';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { jwtVerify, SignJWT } from 'jose';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const JWT_SECRET = process.env.JWT_SECRET || randomBytes(32).toString('base64');

const key = createSecretKey(JWT_SECRET, 'base64');
const rules = {
  algorithms: ['HS256'],
  issuer: 'https://login.example.com',
  audience: 'desktop', // a token for another service opens nothing here
  requiredClaims: ['sub', 'exp'],
};

async function requireToken(req, res, next) {
  const token = req.query.token ?? req.cookies.token;
  const isOpen = req.wstunnelCheck && req.query.token !== undefined; // a check of an open tunnel
  const options = { ...rules, clockTolerance: isOpen ? Number.MAX_SAFE_INTEGER : 0 };
  const verified = await jwtVerify(token, key, options).catch(() => undefined);
  if (!verified) return res.sendStatus(401);
  req.user = { id: verified.payload.sub }; // the name in events
  next();
}

const app = express();
app.use('/vnc', cookieParser(), requireToken, wstunnel({ server: { port: VNC_PORT }, revalidate: 60 }));

async function tokenToTry() {
  const { issuer, audience } = rules;
  const token = new SignJWT({ sub: 'ann', iss: issuer, aud: audience }).setExpirationTime('5 minutes');
  return token.setProtectedHeader({ alg: 'HS256' }).sign(key);
}

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', async (error) => {
  if (error) throw error;
  const { port } = server.address();
  console.log(`listening on http://127.0.0.1:${port}/`);
  if (!process.env.JWT_SECRET)
    console.log(`for five minutes: ws://127.0.0.1:${port}/vnc?token=${await tokenToTry()}`);
});
