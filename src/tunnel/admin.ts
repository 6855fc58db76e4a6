import type { IncomingMessage, ServerResponse } from 'node:http';
import { AdminReport } from '../admin/admin-report.js';
import { AdminRouter } from '../admin/admin-router.js';
import type { EndTunnels } from '../admin/end-request.js';
import { EventStreams } from '../admin/event-streams.js';
import { pageFiles } from '../admin/page-files.js';
import { messageOf } from '../errors.js';
import type { Log } from '../observe/log.js';
import type { LocalState } from '../shared/local-state.js';
import type { Next } from '../types.js';

/** The parts of a tunnel object that the admin page needs. */
interface AdminOwner {
  readonly log: Log;
  isDraining(): boolean;
  /** Ends the tunnels of a state, in all processes that share the state. */
  end(state: LocalState, ...call: Parameters<EndTunnels>): ReturnType<EndTunnels>;
}

type Middleware = (req: IncomingMessage, res: ServerResponse, next: Next) => void;

/** The method `admin()` of one tunnel object. */
export class AdminPages {
  readonly #owner: AdminOwner;
  readonly #streams = new EventStreams();
  /** The result of `admin()` without other tunnel objects. */
  #own: Middleware | undefined;

  constructor(owner: AdminOwner) {
    this.#owner = owner;
  }

  /** `states`: of this tunnel object first. A state may be given several times. */
  page(states: readonly LocalState[]): Middleware {
    const different = [...new Set(states)];
    if (different.length > 1) return this.#make(different);
    // An app may call `admin()` for each request.
    this.#own ??= this.#make(different);
    return this.#own;
  }

  /** `isLast`: the tunnel object is closed, and no further streams are accepted. */
  endStreams(isLast: boolean): void {
    this.#streams.end(isLast);
  }

  #make(states: readonly LocalState[]): Middleware {
    for (const { view } of states) view.refusals.keep();
    const router = new AdminRouter({
      report: new AdminReport(
        states.map(({ view }) => view),
        () => this.#owner.isDraining(),
      ),
      streams: this.#streams,
      files: pageFiles(),
      end: (...call) => this.#end(states, call),
      failed: (error) => this.#owner.log('tunnel', 'error', 'admin(): %s', messageOf(error)),
    });
    return function admin(req, res, next) {
      router.handle(req, res, next);
    };
  }

  async #end(
    states: readonly LocalState[],
    call: Parameters<EndTunnels>,
  ): Promise<{ ended: number; silent: string[] }> {
    const results = await Promise.all(
      states.map(async (state) => {
        const ending = this.#owner.end(state, ...call);
        state.view.sampler.refresh();
        return ending;
      }),
    );
    return {
      ended: results.reduce((sum, { ended }) => sum + ended, 0),
      silent: [...new Set(results.flatMap(({ silent }) => silent))],
    };
  }
}
