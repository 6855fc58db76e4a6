import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asRefusal, messageOf, TunnelError } from '../errors.js';
import { takeOpeningSlot, takeSlot } from '../guard/limits.js';
import { userIfKnown } from '../guard/user-name.js';
import { isPromise, type AbortState } from '../helpers/abort.js';
import { bothOf, leaseOf, type Lease } from '../helpers/lease.js';
import { flatCopy } from '../helpers/flat-copy.js';
import { outcomeOf } from '../observe/metrics/labels.js';
import { noteMissingUser } from '../observe/missing-user.js';
import { storyOf } from '../observe/story.js';
import { redactUrlFor, urlForAny } from '../observe/redact.js';
import type { RuleSettings } from '../options/settings.js';
import { defaultAddress, normalizeAddress } from '../request/client-address.js';
import { withoutSecrets } from '../request/secret-subprotocols.js';
import { discard } from '../streams/discard.js';
import type { Next } from '../types.js';
import { checkStillWaiting, completeUpgrade } from '../upgrade/complete-upgrade.js';
import type { ChosenFields } from '../upgrade/switch-protocols.js';
import { OpeningAttempt, serverDraining } from '../upgrade/opening-attempt.js';
import { readHandshake, type OpeningHandshake } from '../upgrade/opening-handshake.js';
import { withCookies, type KeptRequest } from '../upgrade/kept-request.js';
import { pendingOf, type PendingUpgrade } from '../upgrade/pending-upgrade.js';
import { noteArrival, takeId, tellWay } from './arrival.js';
import { authorize, readClientAddress } from './authorize.js';
import { infoOf, type ClientIdentity, type OpeningRequest, type TunnelContext } from './context.js';
import { askGrant, type Granted } from './grant.js';
import { checkControl, Control } from './control.js';
import { hook } from './hook.js';
import { chooseTarget, reachBackend, type BackendConnection } from './reach.js';
import { refuse, reportRefusal, socketOf } from './refuse.js';
import { startRecording, type Recording } from './recording.js';
import type { Route } from './route.js';
import { startSession } from './session.js';
import { millisecondsOf, OpeningClock } from './timings.js';
import { vncOf, type RequestVnc } from './vnc.js';

/**
 * Opens a tunnel. Never rejects: the caller does not await the promise, and a rejection would end the process. A request that
 * cannot even be refused (the app's `res` may throw) loses the connection.
 */
export async function openTunnel<Req extends IncomingMessage>(
  context: TunnelContext,
  route: Route<Req>,
  req: Req,
  res: ServerResponse,
  next: Next,
): Promise<void> {
  try {
    await open(context, route, req, res, next);
  } catch (error) {
    context.log('tunnel', 'error', 'a request could not be answered: %s', messageOf(error));
    socketOf(req, res)?.destroy();
  }
}

/**
 * All steps of one tunnel. Before: the request has passed the app's middleware, and the rules have chosen the settings. Authorize
 * the request, choose and dial a backend, send the 101 response, and relay until both ends are closed. A failure before the 101
 * response is a refusal; the promise rejects if the refusal cannot be sent.
 */
async function open<Req extends IncomingMessage>(
  context: TunnelContext,
  route: Route<Req>,
  req: Req,
  res: ServerResponse,
  next: Next,
): Promise<void> {
  const { settings } = route;
  const pending = pendingOf(req);
  const arrived = pending?.arrived ?? performance.now();
  const clock = new OpeningClock(arrived);
  const { timings } = clock;
  const known = takeId(req);
  const id = flatCopy(known ?? randomUUID());
  const story = storyOf(context.log, id);
  const client: ClientIdentity = { id, url: '', address: '', user: undefined, timings, story };
  const attempt = new OpeningAttempt(pending, settings.handshakeTimeout);
  const opening: OpeningRequest = {
    attempt,
    arrived,
    info: () => infoOf({ ...client, user: client.user ?? userIfKnown(req, settings.user) }, '', Date.now()),
  };
  context.opening.add(opening);
  const openingSlots: Lease[] = [];
  let slot: Lease | undefined;
  let target: Awaited<ReturnType<typeof chooseTarget>> | undefined;
  let backend: BackendConnection | undefined;
  let upgraded: Duplex | undefined;
  let recording: Recording | undefined;
  try {
    // Getters of the app or framework, which may throw: for `ip`, Express calls the app's `trust proxy` function.
    client.url = redactUrlFor(route.server, urlOf(req));
    client.address = normalizeAddress(defaultAddress(req) ?? '');
    tellWay(story, req, client, { isKnown: known !== undefined, arrived, route });
    openingSlots.push(leaseOrThrow(context.openingCounter.start()));
    if (route.failure) throw route.failure;
    const handshake = readHandshake(req);
    if (context.isDraining()) throw serverDraining();
    if (!pending) throw context.notAttached(req);

    if (settings.clientAddress) await readClientAddress(settings, req, client, attempt);
    openingSlots.push(context.openingCounter.startOf(client.address));
    if (context.network && countsOpenings(context))
      openingSlots.push(
        await takeOpeningSlot(context.counter, context.limits.sharedOpening, client.address, attempt),
      );
    const grant = () => askGrant(context, route, req, attempt);
    const authorizing = authorize(settings, req, client, attempt, grant);
    const granted = isPromise(authorizing) ? await authorizing : authorizing;
    const ended = context.ends.anySince(arrived) && context.ends.refusalOf(opening.info(), arrived);
    if (ended) throw ended;
    if (client.user === undefined && !settings.user && context.limits.perUser > 0)
      noteMissingUser(context.limits);
    const taking = takeSlot(context.counter, context.limits, client, attempt);
    slot = isPromise(taking) ? await taking : taking;
    clock.next('connect');
    story?.tell(
      'guard',
      'all checks passed after %d ms, user: %s',
      millisecondsOf(timings.auth),
      client.user ?? 'none',
    );
    if (granted?.hosts) story?.tell('backend', 'the hosts come from the ticket or token');
    const choosing = chooseTarget(route, req, attempt, granted?.hosts);
    target = isPromise(choosing) ? await choosing : choosing;
    checkControl(settings, target.hosts);
    const isViewer = granted?.viewOnly === true;
    let vnc: RequestVnc | undefined;
    if (isViewer || settings.vnc !== undefined) {
      vnc = await vncOf(settings.vnc, isViewer, target.hosts, req, attempt);
      if (vnc) client.viewOnly = vnc.rights.viewOnly;
    }
    backend = await reachBackend(context, settings, req, client, target.hosts, attempt, vnc?.login);
    clock.next(undefined);

    const choosingFields = chooseFields(settings, handshake, req, backend, attempt);
    const chosen = isPromise(choosingFields) ? await choosingFields : choosingFields;
    checkStillWaiting(pending, res);
    const asked = settings.revalidate.every > 0 ? keptWith(keptOf(pending), granted) : undefined;
    // Before the claim: a failure can still be answered.
    if (settings.record)
      recording = startRecording(settings.record, infoOf(client, backend.host.id, Date.now()), req, {
        log: context.log,
        unfinished: context.recordings,
        counts: context.totals.counts,
      });
    const claiming = pending.claim(attempt);
    const claimed = isPromise(claiming) ? await claiming : claiming;
    // Checked again, now that the backend is known.
    const late =
      (context.ends.anySince(arrived) &&
        context.ends.refusalOf(infoOf(client, backend.host.id, Date.now()), arrived)) ||
      recording?.refusal();
    if (late) attempt.abort(late);
    // Synchronous from here to the end: `end()` and `close()` find the request either in `opening` or in `open`.
    const { socket, head } = completeUpgrade(req, claimed, chosen, backend.socket, attempt);
    upgraded = socket;
    clock.end();
    const kept = asked && withCookies(asked, claimed.headers);
    const frameType = chosen.subprotocol === 'binary' ? 'binary' : settings.frameType;
    const ends = {
      socket: backend.socket,
      host: backend.host,
      lease: backend.lease,
      ...(backend.frames && { frames: backend.frames }),
      ...(backend.answer && { answer: backend.answer }),
      slot,
      client: socket,
      head,
      frameType,
      kept,
      recording,
      control: settings.control && new Control(settings.control, backend, context.log),
      arrived,
      rights: vnc?.rights,
    } as const;
    startSession(context, limitedBy(settings, granted), client, ends);
  } catch (error) {
    // After the 101 response no other answer is possible, and no session owns the socket.
    if (upgraded) discard(upgraded);
    if (backend) discard(backend.socket);
    recording?.end(infoOf(client, backend?.host.id ?? '', Date.now()));
    backend?.lease.release();
    if (target?.stream) discard(target.stream);
    slot?.release();
    context.opening.delete(opening);
    const refusal = asRefusal(error);
    context.totals.counts.noteOpening(outcomeOf(refusal), arrived);
    clock.end();
    await refuse(context, { settings, req, res, next, pending }, client, refusal);
  } finally {
    attempt.end();
    context.opening.delete(opening);
    for (const lease of openingSlots) lease.release();
  }
}

function countsOpenings({ limits: { sharedOpening } }: TunnelContext): boolean {
  return sharedOpening.total > 0 || sharedOpening.perClient > 0;
}

/**
 * Counts an upgrade that leads to this tunnel, before the app gets the request. Returns the refusal if there are too many upgrades.
 * `servers`: the options `server` of all rules, since no rule is applied yet.
 */
export function countUpgrade(
  context: TunnelContext,
  req: IncomingMessage,
  servers: readonly unknown[],
): Lease | TunnelError {
  const slot = context.openingCounter.start();
  if (slot instanceof TunnelError) {
    const address = normalizeAddress(req.socket.remoteAddress ?? '');
    reportRefusal(
      context,
      { id: randomUUID(), url: urlForAny(servers, req.url ?? '/'), address, user: undefined },
      slot,
    );
    return slot;
  }
  const { inApp } = context;
  inApp.count++;
  const inMiddleware = leaseOf(() => {
    inApp.count--;
  });
  return bothOf(noteArrival(context.log, req, servers), bothOf(inMiddleware, slot));
}

function keptOf(pending: PendingUpgrade): KeptRequest {
  if (!pending.keep)
    throw new TunnelError(
      'WSTUNNEL_HOOK_FAILED',
      'revalidate: another, older copy of express-wstunnel serves this app',
    );
  return pending.keep();
}

function keptWith(kept: KeptRequest, granted: Granted | undefined): KeptRequest {
  return granted?.kept === undefined ? kept : { ...kept, granted: granted.kept };
}

/** A grant may only shorten the time of a tunnel; 0 is no limit. */
function limitedBy<Req extends IncomingMessage>(
  settings: RuleSettings<Req>,
  granted: Granted | undefined,
): RuleSettings<Req> {
  const most = granted?.maxDuration;
  if (most === undefined) return settings;
  const { maxDuration } = settings;
  return { ...settings, maxDuration: maxDuration === 0 ? most : Math.min(maxDuration, most) };
}

function leaseOrThrow(slot: Lease | TunnelError): Lease {
  if (slot instanceof TunnelError) throw slot;
  return slot;
}

/**
 * The subprotocol and extensions of the 101 response. A backend that gets the client's handshake has chosen; if the host offers its
 * own list of subprotocols to the backend, the rule answers the client.
 */
function chooseFields<Req extends IncomingMessage>(
  { subprotocol }: RuleSettings<Req>,
  handshake: OpeningHandshake,
  req: Req,
  { answer, host }: BackendConnection,
  signal: AbortState,
): ChosenFields | Promise<ChosenFields> {
  if (answer && host.host.websocket?.subprotocols === undefined) return answer;
  const extensions = answer?.extensions;
  const offered = new Set(withoutSecrets(req, handshake.subprotocols));
  if (!subprotocol) return { subprotocol: offered.has('binary') ? 'binary' : undefined, extensions };
  return chooseSubprotocol(subprotocol, offered, req, signal).then((chosen) => ({
    subprotocol: chosen,
    extensions,
  }));
}

/** Asks the hook. Without a hook `binary` is chosen if offered, and never required (RFC 6455 section 4.2.2 item 5.5). */
async function chooseSubprotocol<Req extends IncomingMessage>(
  subprotocol: NonNullable<RuleSettings<Req>['subprotocol']>,
  offered: ReadonlySet<string>,
  req: Req,
  signal: AbortState,
): Promise<string | undefined> {
  const chosen = await hook('subprotocol', signal, () => subprotocol(offered, req));
  if (chosen !== undefined && !offered.has(chosen))
    throw new TunnelError(
      'WSTUNNEL_HOOK_FAILED',
      'subprotocol: the result must be a subprotocol that the client offers',
    );
  return chosen;
}

/** The whole URL. Express keeps the whole URL as `originalUrl` and removes the mount path from `url`. */
export function urlOf(req: IncomingMessage): string {
  return (req as IncomingMessage & { originalUrl?: string }).originalUrl ?? req.url ?? '/';
}
