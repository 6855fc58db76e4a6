import type { ServerResponse } from 'node:http';
import { HttpError } from './http-error.js';
import { destroy, http2StreamOf, prepare } from './respond.js';

/** Limit of event streams at once. */
const MOST_STREAMS = 32;

/** Milliseconds between two events. */
const INTERVAL = 1000;

/** Milliseconds after which a stream ends. The browser connects again, through the app's login check. */
const LIFETIME = 30_000;

/** Milliseconds for the client to read an event or the end of the stream; then the connection is destroyed. */
const PATIENCE = 10_000;

/** Milliseconds until the browser connects again, for the field `retry`. */
const RETRY = 1000;

/** The event streams (https://html.spec.whatwg.org/multipage/server-sent-events.html) of one tunnel object, on one timer. */
export class EventStreams {
  readonly #open = new Set<EventStream>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  get size(): number {
    return this.#open.size;
  }

  /** Throws an HttpError if there are too many streams. `read` returns the text of the next event. */
  add(res: ServerResponse, read: () => string): EventStream {
    if (this.#isClosed) throw new HttpError(503, 'the tunnel is closed');
    if (this.#open.size >= MOST_STREAMS)
      throw new HttpError(503, `at most ${MOST_STREAMS} pages may be open at once: close another page`, {
        'Retry-After': '30',
      });
    const stream = new EventStream(res, read);
    this.#open.add(stream);
    res.once('close', () => {
      stream.isGone = true;
      this.#open.delete(stream);
      if (this.#open.size === 0) this.#stop();
    });
    this.#timer ??= setInterval(() => this.#tick(), INTERVAL).unref();
    return stream;
  }

  /** Ends all streams. `isLast`: further streams are refused. */
  end(isLast: boolean): void {
    if (isLast) this.#isClosed = true;
    for (const stream of this.#open) stream.end();
  }

  #tick(): void {
    const now = performance.now();
    for (const stream of this.#open) stream.tick(now);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

type FlushingResponse = ServerResponse & { flush?: () => void };

/** One stream. An event is skipped while the client has not read the last one. */
export class EventStream {
  readonly #res: FlushingResponse;
  readonly #read: () => string;
  readonly #startedAt = performance.now();
  /** Since when the client has not read the last event or the end. */
  #unreadSince: number | undefined;
  #needsDrain = false;
  #isEnded = false;
  isGone = false;

  constructor(res: ServerResponse, read: () => string) {
    this.#res = res;
    this.#read = read;
    prepare(res, 200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // nginx would buffer events: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
      'X-Accel-Buffering': 'no',
    });
    res.on('error', ignoreIt);
    res.on('drain', () => (this.#needsDrain = false));
    this.#write(`retry: ${RETRY}\n\n`);
  }

  tick(now: number): void {
    if (this.#isUnread) {
      this.#unreadSince ??= now;
      if (now - this.#unreadSince >= PATIENCE) destroy(this.#res);
    } else this.#unreadSince = undefined;
    if (this.#isEnded) return;
    if (now - this.#startedAt >= LIFETIME) this.end();
    else if (!this.#isUnread) this.sendEvent();
  }

  sendEvent(): void {
    if (this.#isEnded || this.isGone) return;
    try {
      // JSON has no line breaks outside of its escapes.
      this.#write(`event: state\ndata: ${this.#read()}\n\n`);
    } catch {
      this.end();
    }
  }

  end(): void {
    if (this.#isEnded || this.isGone) return;
    this.#isEnded = true;
    if (!this.#res.writableEnded) this.#res.end();
  }

  #write(text: string): void {
    // Middleware of the app may have ended the response.
    if (this.#res.writableEnded || this.#res.destroyed) return;
    if (!this.#res.write(text)) this.#needsDrain = true;
    // The middleware compression() buffers small writes until `flush`.
    this.#res.flush?.();
  }

  get #isUnread(): boolean {
    const { writableLength } = http2StreamOf(this.#res) ?? this.#res;
    return this.#isEnded || this.#needsDrain || writableLength > 0;
  }
}

function ignoreIt(): void {
  // The end of the connection follows as `close`.
}
