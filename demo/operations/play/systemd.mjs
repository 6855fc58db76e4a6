import { once } from 'node:events';
import { createServer } from 'node:net';
import { Unit } from './unit.mjs';

/**
 * Replaces systemd in the play: starts, stops, reloads and restarts the services of the units, each as the user of its unit. The
 * restrictions of a unit, such as ProtectSystem, are not applied.
 */
export class Systemd {
  #units = new Map();

  /** Serves the `systemctl` of the simulated machine. */
  async listen() {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let line = '';
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => (line += chunk));
      socket.on('end', () => {
        this.#run(line.trim().split(/\s+/)).then(
          () => socket.end(),
          (error) => socket.end(error.message),
        );
      });
    });
    server.listen('/run/systemctl.sock');
    await once(server, 'listening');
  }

  unit(name) {
    const known = this.#units.get(name);
    if (known) return known;
    const unit = new Unit(name);
    this.#units.set(name, unit);
    return unit;
  }

  async #run([verb, ...words]) {
    const options = words.filter((word) => word.startsWith('--'));
    const names = words.filter((word) => !word.startsWith('--')).flatMap((name) => this.#matching(name));
    const each = (action) => Promise.all(names.map(async (name) => action(this.unit(name))));
    if (verb === 'daemon-reload') return;
    if (verb === 'enable' && options.includes('--now')) await each((unit) => unit.start());
    else if (verb === 'start') await each((unit) => unit.start());
    else if (verb === 'stop') await each((unit) => unit.stop());
    else if (verb === 'restart') await each((unit) => unit.stop().then(() => unit.start()));
    else if (verb === 'reload') await each((unit) => unit.reload());
    // Only active units: a process that is down does not make the command fail.
    else if (verb === 'try-reload-or-restart')
      await each((unit) => (unit.isActive ? unit.reload() : undefined));
    else if (verb === 'kill') await each((unit) => unit.kill(options[0]?.replace('--signal=', 'SIG')));
    else throw new Error(`the play does not implement systemctl ${verb}`);
  }

  #matching(name) {
    if (!name.endsWith('*')) return [name];
    return [...this.#units.keys()].filter((one) => one.startsWith(name.slice(0, -1)));
  }
}
