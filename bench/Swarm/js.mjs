// One stream of /perf/1.0.0 between two js-libp2p peers, over mplex and over yamux, alternating; prints the two medians in MiB/s.
import { Peer } from '../../tests/Interop/peer/driver.mjs'

const RUNS = 3
const bytes = Number(process.argv[2] ?? 128) * 2 ** 20
const pairs = []
for (const muxer of ['mplex', 'yamux']) {
  const [a, b] = await Promise.all([Peer.start(['--muxer', muxer]), Peer.start(['--muxer', muxer])])
  await a.cmd({ connect: b.addr })
  pairs.push({ a, b, rates: [] })
}
for (let i = 0; i < RUNS; i++) {
  for (const { a, b, rates } of pairs) rates.push((await a.cmd({ perf: b.id, send: bytes, timeout: 300 })).MiBps)
}
console.log(pairs.map(p => p.rates.sort((x, y) => x - y)[RUNS >> 1]).join(' '))
await Promise.all(pairs.flatMap(p => [p.a.stop(), p.b.stop()]))
