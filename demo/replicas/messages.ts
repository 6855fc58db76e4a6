import type { Target } from '../arguments.js';
import type { Carried } from '../desktop/scene/traffic.js';

/** The first message to a replica. */
export interface ReplicaSettings {
  readonly name: string;
  readonly host: string;
  readonly username: string;
  readonly password: string;
  readonly adminPassword?: string;
  readonly traineePassword?: string;
  readonly vncPassword?: string;
  readonly inputIdle?: number;
  /** The folder of the recordings. */
  readonly record?: string;
  readonly vnc: Target;
  readonly desktop: string;
  readonly secret: string;
  readonly redis: { readonly port: number; readonly password: string };
}

/** A message to a replica. */
export type Order = { readonly start: ReplicaSettings } | { readonly end: true };

/** A message of a replica. */
export type Report =
  | { readonly port: number }
  | { readonly carried: Carried }
  /** A line for people. */
  | { readonly line: string };
