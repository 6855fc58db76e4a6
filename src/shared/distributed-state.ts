import type { Backplane } from '../replicas/backplane.js';
import type { ReplicaSettings } from '../replicas/replica-settings.js';
import { LocalState } from './local-state.js';

/** A state that several processes share. */
export function distributedState(backplane: Backplane, settings: ReplicaSettings): LocalState {
  return new LocalState({ isKept: true, shared: { backplane, settings } });
}
