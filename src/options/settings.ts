import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import type { ResolvedHost } from '../backends/host.js';
import type { CountLimits, TunnelLimits } from '../guard/limits.js';
import type { CompiledHostMap } from '../routes/host-map.js';
import type { Notation } from '../routes/path-notation.js';
import type { CompiledRule } from '../routes/compiled-rules.js';
import type { UrlMatcher } from '../routes/url-match.js';
import type { BalanceStrategy, RuleOptions, SharedState } from '../types.js';
import type { Origins } from './read-origins.js';
import type { RevalidateSettings } from './read-revalidate.js';
import type { VncSetting } from './read-vnc.js';
import type { Filled } from './row.js';
import type { RULE_OPTIONS } from './rule-options.js';

export type { RevalidateSettings };

/** The option `server` after reading. The hosts of a `server` function are read for each request. */
export type ServerSetting<Req extends IncomingMessage> =
  | readonly ResolvedHost[]
  | CompiledHostMap<readonly ResolvedHost[]>
  | Extract<RuleOptions<Req>['server'], CallableFunction>;

/** Options whose setting differs from the given value. */
interface Compiled<Req extends IncomingMessage> {
  readonly server: ServerSetting<Req> | undefined;
  readonly balance: BalanceStrategy<Req>;
  readonly origins: Origins<Req>;
  readonly allow: BlockList | undefined;
  readonly deny: BlockList | undefined;
  readonly revalidate: RevalidateSettings;
  readonly vnc: VncSetting<Req> | undefined;
}

type Named<Options> = { readonly [Name in keyof Required<Options>]: Options[Name & keyof Options] };

/**
 * The settings of one request: the options of the tunnel object, changed by the rules. Unset options are present with the value
 * undefined.
 */
export type RuleSettings<Req extends IncomingMessage> = Compiled<Req> &
  Omit<Named<Filled<RuleOptions<Req>, typeof RULE_OPTIONS>>, keyof Compiled<Req>>;

/** The settings of a tunnel object. */
export interface Settings<Req extends IncomingMessage> {
  readonly matchesUrl: UrlMatcher;
  /** The settings if no rule applies. */
  readonly base: RuleSettings<Req>;
  readonly rules: readonly CompiledRule<RuleSettings<Req>>[];
  /** The notations in which options compare paths, other than the form sent by clients. */
  readonly notations: readonly Notation[];
  readonly limits: TunnelLimits & {
    readonly buffered: number;
    readonly opening: CountLimits;
    /** The limits of `opening` over all processes that share a state: the defaults protect a single process. */
    readonly sharedOpening: CountLimits;
  };
  readonly debug: number;
  readonly autoAttach: boolean;
  readonly name: string | undefined;
  readonly shared: SharedState | undefined;
}
