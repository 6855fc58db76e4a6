// Loaded before a recipe: makes every server listen on a free port of loopback, and prints the port.
import { Server } from 'node:net';
import { dirname } from 'node:path';
import process from 'node:process';

const { listen } = Server.prototype;

Server.prototype.listen = function (...args) {
  this.once('listening', () => process.stdout.write(`${args[0]} is PORT=${this.address().port}\n`));
  const callback = args.find((arg) => typeof arg === 'function');
  return Reflect.apply(listen, this, [{ port: 0, host: '127.0.0.1' }, callback]);
};

process.chdir(dirname(process.argv[1]));
