import { expect } from 'vitest';
import { fromLighttpdConf, TunnelError, type LighttpdConfOptions } from '../../../src/index.js';

/** The error message for a text. */
export function refused(text: string, options: LighttpdConfOptions = {}): string {
  try {
    fromLighttpdConf(text, options);
  } catch (error) {
    expect(error).toBeInstanceOf(TunnelError);
    expect((error as TunnelError).code).toBe('WSTUNNEL_OPTION');
    return (error as TunnelError).message;
  }
  throw new Error('the configuration was taken');
}
