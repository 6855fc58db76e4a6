// A lighttpd.conf as it is: its tunnels and its document root, in an Express app.
//
//   npm install express express-wstunnel
//   node lighttpd-conf.mjs
//
// Settings: LIGHTTPD_CONF (/etc/lighttpd/lighttpd.conf), and PORT (server.port of the file).
// src/lighttpd/README.md of express-wstunnel says which directives are read and which are errors.
import { readFileSync } from 'node:fs';
import express from 'express';
import { fromLighttpdConf, wstunnel } from 'express-wstunnel';

const file = process.env.LIGHTTPD_CONF ?? '/etc/lighttpd/lighttpd.conf';
// Includes are read too, such as "conf-enabled/*.conf"; with a function instead of true, from anywhere.
const conf = fromLighttpdConf(readFileSync(file, 'utf8'), { file, include: true });

const app = express();
app.use(wstunnel(conf.options));
app.use(express.static(conf.documentRoot));

// lighttpd's default is IPv4 only.
const address = { port: process.env.PORT ?? conf.port, host: conf.bind ?? '0.0.0.0', path: conf.socket };
const server = app.listen(address, (error) => {
  if (error) throw error;
  const { port } = server.address();
  console.log(`listening on ${port ? `http://127.0.0.1:${port}/` : server.address()}`);
});
