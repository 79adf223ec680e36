/** What clients ask and are told, as the operations of a history. */
import type { Inquiry, Outcome } from '../client-session.ts';
import type { Operation } from './linearizability.ts';

/** What has to do with the register. */
export type Asked = Extract<Inquiry, { type: 'request' | 'read' }>;

/** A question that was put at `call`, in milliseconds, and how it ended at `endMs`. */
export function operationOf(
  client: string,
  question: Asked,
  call: number,
  endMs: number,
  ended: Outcome,
): Operation {
  const written = question.type === 'request' ? question.value : null;
  const asked = { client, op: question.type === 'request' ? 'write' : 'read', call } as const;
  if (ended.outcome !== 'answered') {
    return { ...asked, value: written, return: null, outcome: 'unknown' };
  }
  const { reply } = ended;
  const read = reply.type === 'found' ? reply.found : reply.type === 'value' ? reply.value : null;
  const value = question.type === 'request' ? written : read;
  return { ...asked, value, return: endMs, outcome: 'ok' };
}

/** A value that was fired and forgotten: nobody knows what becomes of it. */
export function firedOf(client: string, value: string, call: number): Operation {
  return { client, op: 'write', value, call, return: null, outcome: 'unknown' };
}
