// A project without Express and without the types of Express.
import { createServer, type IncomingMessage } from 'node:http';
import { wstunnel, type BalanceStrategy } from 'express-wstunnel';

interface Known extends IncomingMessage {
  who: string;
}

const tunnel = wstunnel({ server: { port: 1 }, user: (req) => req.headers.from });
createServer((req, res) => {
  tunnel(req, res, () => res.writeHead(404).end());
});

const balance: BalanceStrategy<Known> = { pick: (hosts, { req }) => hosts.find(({ id }) => id === req.who) };
const known = wstunnel<Known>({ server: [{ port: 1 }, { port: 2 }], balance, user: (req) => req.who });
createServer((req, res) => known(Object.assign(req, { who: 'me' }), res, () => res.end()));
