// helia.mjs MIB     transfers a file of that size from one Helia to another, each in its own process with its blocks in memory, over TCP,
// Noise and yamux: once per line of standard input; prints the MiB/s of each run
import { createInterface } from 'node:readline'
import { Peer } from '../../tests/Interop/peer/driver.mjs'

const size = Number(process.argv[2]) * 2 ** 20
const [source, receiver] = await Promise.all([Peer.start(['--muxer', 'yamux']), Peer.start(['--muxer', 'yamux'])])
await receiver.cmd({ connect: source.addr })
for await (const run of createInterface({ input: process.stdin })) {
  const { cid } = await source.cmd({ add: { size, seed: `run ${run}`, profile: 'kubo-v1' } })
  const { length, MiBps } = await receiver.cmd({ cat: cid, timeout: 600 })
  if (length !== size) throw new Error(`${length} bytes arrived, not ${size}`)
  console.log(MiBps)
  await Promise.all([source.cmd({ drop: true }), receiver.cmd({ drop: true })])
}
await Promise.all([source.stop(), receiver.stop()])
