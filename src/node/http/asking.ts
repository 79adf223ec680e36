/** A request on its way through the house, and what comes back. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Watch } from '../../log/watch.ts';
import type { InnerClients } from './inner-clients.ts';

/** What the door counts. */
export interface Counts {
  /** By method, route and status, as the labels of the metric. */
  readonly answered: ReadonlyMap<string, number>;
  readonly connections: number;
  readonly watchers: number;
  /** What was no HTTP, or came from somebody who may not ask. */
  readonly rejected: number;
}

/** What is needed of a replica, beside what its clients may ask. */
export type Served = Pick<
  Watch,
  | 'uid'
  | 'uids'
  | 'cluster'
  | 'hasLeases'
  | 'master'
  | 'instanceNumber'
  | 'firstKept'
  | 'linksFrom'
  | 'watchableFrom'
  | 'changesFrom'
  | 'watch'
  | 'receiveFromClient'
>;

/** One request, and all that is needed to answer it. */
export interface Asking {
  readonly replica: Served;
  readonly clients: InnerClients;
  readonly counts: Counts;
  /** Whoever cannot be answered within so long is told that. */
  readonly patienceMs: number;
  readonly heartbeatMs: number;
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: IncomingHttpHeaders;
  /** The text that it carries. May be called once. */
  body(): Promise<string>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Writes all that comes after the headers, for as long as it takes. */
  readonly stream?: (response: ServerResponse) => Promise<void>;
}
