import { describe, expect, it } from 'vitest';
import type { MeetingState, ParticipantView } from './model';
import type { NetworkQuality } from './proto';
import { SummaryKeeper } from './summary';

function view(state: MeetingState, quality: NetworkQuality = 'good') {
  const self = {
    isSelf: true,
    network: { quality, roundTripMs: 20, lossUpPermille: 0, lossDownPermille: 0 },
  } as ParticipantView;
  return { state, participants: [self] };
}

describe('the summary of a connection', () => {
  it('is none for somebody who never got in', () => {
    const keeper = new SummaryKeeper();
    keeper.push(view('joining'), 0);
    expect(keeper.finish(1_000)).toBeNull();
  });

  it('counts from when the person was in, and each loss once', () => {
    const keeper = new SummaryKeeper();
    keeper.push(view('joining'), 0);
    keeper.push(view('connected'), 1_000);
    keeper.push(view('reconnecting'), 5_000);
    keeper.push(view('reconnecting'), 6_000);
    keeper.push(view('connected'), 7_000);
    expect(keeper.finish(11_000)).toEqual({ durationMs: 10_000, interruptions: 1, poorShare: 0 });
  });

  it('adds up the time with a poor network, to the end', () => {
    const keeper = new SummaryKeeper();
    keeper.push(view('connected'), 0);
    keeper.push(view('connected', 'poor'), 2_000);
    keeper.push(view('connected'), 3_000);
    keeper.push(view('connected', 'lost'), 9_000);
    expect(keeper.finish(10_000)?.poorShare).toBeCloseTo(0.2);
  });
});
