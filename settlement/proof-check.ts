/** Asks the verifier on the chain whether a proof is good, before a transaction is made of it. */
import { parseAbi, type Address, type PublicClient } from 'viem'
import type { PublicInputs } from './commit.js'
import type { ChunkProof } from './post.js'

const verifierAbi = parseAbi([
  'function verify(uint256[4] publicInputs, uint256[8] proof) view returns (bool)',
])

/** `check` of a ProverQueue. Rejects when the endpoint does not answer. */
export function proofCheck(
  client: PublicClient,
  verifier: Address,
): (inputs: PublicInputs, proof: ChunkProof) => Promise<boolean> {
  return (inputs, proof) =>
    client.readContract({
      address: verifier,
      abi: verifierAbi,
      functionName: 'verify',
      args: [inputs, proof],
    })
}
