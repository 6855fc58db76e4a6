import type { Rect } from '../draw/rect.js';
import type { Scene } from './scene.js';

const TICK_MS = 80;
/** Milliseconds from the input of a viewer to the next update, sooner than the next tick. */
const WAKE_MS = 16;

export interface Watcher {
  damaged(parts: readonly Rect[]): void;
}

/** Updates the scene while viewers are connected. */
export class Stage {
  readonly #watchers = new Set<Watcher>();
  #ticker: NodeJS.Timeout | undefined;
  #waker: NodeJS.Timeout | undefined;

  constructor(readonly scene: Scene) {}

  get viewers(): number {
    return this.#watchers.size;
  }

  join(watcher: Watcher): void {
    this.#watchers.add(watcher);
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    clearInterval(this.#ticker);
    clearTimeout(this.#waker);
    this.#ticker = undefined;
    this.#waker = undefined;
  }

  /** Shows changes soon, before the next tick. */
  wake(): void {
    if (this.#watchers.size > 0) this.#waker ??= setTimeout(() => this.#show(), WAKE_MS);
  }

  #tick(): void {
    this.scene.tick(Date.now(), this.#watchers.size);
    this.#show();
  }

  #show(): void {
    clearTimeout(this.#waker);
    this.#waker = undefined;
    const parts = this.scene.render();
    if (parts.length > 0) for (const watcher of this.#watchers) watcher.damaged(parts);
  }
}
