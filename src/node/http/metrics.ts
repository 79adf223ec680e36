/** How a server is, in the text format of Prometheus. */
import { memoryUsage } from 'node:process';
import type { StatusReply } from '../../messages.ts';
import type { Counts, Served } from './asking.ts';

type Sample = readonly [labels: string, value: number];

export function metricsOf(
  { instanceNumber, firstKept, watchableFrom }: Served,
  { master, leaseLeftMs, reign, waiting, uptimeMs, hasLeases }: StatusReply,
  { answered, connections, watchers, rejected }: Counts,
  busy: number,
): string {
  const isMaster = hasLeases && leaseLeftMs > 0 ? 1 : 0;
  const gauges: readonly (readonly [name: string, help: string, value: number])[] = [
    ['paxos_open_instance', 'The open instance; all before it are chosen.', instanceNumber],
    ['paxos_first_kept_link', 'The instance of the oldest link that is kept.', firstKept],
    ['paxos_watchable_from', 'The first instance of which changes are known.', watchableFrom],
    ['paxos_is_master', '1 if this server is master.', isMaster],
    ['paxos_knows_master', '1 if this server knows of a master.', master === null ? 0 : 1],
    ['paxos_master_seconds', 'For how long that master is master.', (reign?.forMs ?? 0) / 1_000],
    ['paxos_master_since_instance', 'Which instance made it so; 0: unknown.', reign?.since ?? 0],
    ['paxos_waiting', 'Values and reads that wait for an instance.', waiting],
    ['paxos_uptime_seconds', 'How long this server runs.', uptimeMs / 1_000],
    ['paxos_http_connections', 'Open connections.', connections],
    ['paxos_http_watchers', 'Open streams of changes.', watchers],
    ['paxos_http_asking', 'Inquiries of HTTP clients under way.', busy],
    ['process_resident_memory_bytes', 'Memory of the process.', memoryUsage.rss()],
  ];
  return [
    ...gauges.map(([name, help, value]) => metric(name, 'gauge', help, [['', value]])),
    metric('paxos_http_rejected_total', 'counter', 'What was not believed.', [['', rejected]]),
    metric('paxos_http_requests_total', 'counter', 'Requests answered.', [...answered]),
  ].join('');
}

function metric(name: string, type: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}
