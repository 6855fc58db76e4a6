import { describe, expect, test } from 'vitest';
import { layout } from '../../demo/desktop/index.js';
import { Rate, readable, roundUp } from '../../demo/desktop/scene/rate.js';
import { Scene } from '../../demo/desktop/scene/scene.js';

const TICK = 80;
const BLUE = 0x4c6ef5;

/** The chart after some ticks of a tunnel that carries `bytes` to the browser in each tick. */
function chartAfter(ticks: number, bytes: (tick: number) => number) {
  let bytesOut = 0;
  const scene = new Scene(1024, 640, 'Test', () => ({ bytesIn: 0, bytesOut }));
  for (let tick = 0; tick < ticks; tick++) {
    bytesOut += bytes(tick);
    scene.tick(tick * TICK, 1);
  }
  scene.render();
  const { x, y, width, height } = layout.traffic;
  const pixels = Array.from({ length: width * (height - 90) }, (_, at) =>
    scene.screen.at(x + (at % width), y + 90 + Math.floor(at / width)),
  );
  return { pixels, blue: pixels.filter((pixel) => pixel === BLUE).length };
}

describe('issue 13, case 20: the traffic on the desktop', () => {
  test('is what the tunnel carries, and nothing where it carries nothing', () => {
    const still = chartAfter(100, () => 0);
    expect(chartAfter(100, () => 0).pixels).toEqual(still.pixels);
    const busy = chartAfter(100, () => 5000);
    expect(busy.pixels).not.toEqual(still.pixels);
    expect(busy.blue).toBeGreaterThan(20);
    expect(still.blue).toBeLessThan(10);
    // The same traffic gives the same picture: the chart contains no random values.
    expect(chartAfter(100, () => 5000).pixels).toEqual(busy.pixels);
  });

  test('is in bits per second', () => {
    const rate = new Rate();
    let total = 1_000_000;
    expect(rate.next(0, total)).toBe(0);
    for (let tick = 1; tick <= 60; tick++) rate.next(tick * TICK, (total += 10_000));
    expect(rate.next(61 * TICK, total + 10_000)).toBeCloseTo(1_000_000, -3);
    // After a pause without viewers the rate starts again at 0.
    expect(rate.next(1e6, total + 5e9)).toBe(0);
    expect(rate.next(1e6 + TICK, 0)).toBe(0);
  });

  test('is read with three figures or so', () => {
    expect(readable(0)).toEqual({ figure: '0.0', unit: 'kbit/s' });
    expect(readable(312_400)).toEqual({ figure: '312', unit: 'kbit/s' });
    expect(readable(999_499)).toEqual({ figure: '999', unit: 'kbit/s' });
    expect(readable(999_600)).toEqual({ figure: '1.0', unit: 'Mbit/s' });
    expect([20_000, 20_001, 99_000, 5e6].map(roundUp)).toEqual([20_000, 50_000, 100_000, 5e6]);
  });
});
