// roots.mjs FILE...     prints `sha256:HEX`, the root digest by Helia's importer, of each file, with the DAG profile of `ipfs add` in 2019
import { createReadStream } from 'node:fs'
import { BlackHoleBlockstore } from 'blockstore-core'
import { importer } from 'ipfs-unixfs-importer'
import { importerOptions } from './common.mjs'

for (const file of process.argv.slice(2)) {
  let root
  const source = [{ content: createReadStream(file) }]
  for await (const entry of importer(source, new BlackHoleBlockstore(), importerOptions({ profile: 'kubo-v0' }))) root = entry.cid
  console.log('sha256:' + Buffer.from(root.multihash.digest).toString('hex'))
}
