// One stream of /perf/1.0.0 between two js-libp2p peers, over mplex and over yamux; prints the two MiB/s, the better of a few runs.
import { Peer } from '../../tests/Interop/peer/driver.mjs'

const bytes = Number(process.argv[2] ?? 128) << 20
const best = []
for (const muxer of ['mplex', 'yamux']) {
  const [a, b] = await Promise.all([Peer.start(['--muxer', muxer]), Peer.start(['--muxer', muxer])])
  await a.cmd({ connect: b.addr })
  let rate = 0
  for (let i = 0; i < 3; i++) rate = Math.max(rate, (await a.cmd({ perf: b.id, send: bytes })).MiBps)
  best.push(rate)
  await Promise.all([a.stop(), b.stop()])
}
console.log(best.join(' '))
