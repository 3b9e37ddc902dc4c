/** Asks the verifier of a batch, on the chain, whether a proof is good, before a transaction is made of it. */
import { parseAbi, type Address, type PublicClient } from 'viem'
import { settlementAbi } from '../../contracts/abi.js'
import type { PublicInputs } from '../batch/commit.js'
import type { ChunkProof } from '../posting/post.js'

const verifierAbi = parseAbi([
  'function verify(uint256[4] publicInputs, uint256[8] proof) view returns (bool)',
])

/** `check` of a ProverQueue. Rejects when the endpoint does not answer. */
export function proofCheck(
  client: PublicClient,
  settlement: Address,
): (number: number, inputs: PublicInputs, proof: ChunkProof) => Promise<boolean> {
  return async (number, inputs, proof) => {
    const { verifier } = await client.readContract({
      address: settlement,
      abi: settlementAbi,
      functionName: 'batchOf',
      args: [BigInt(number)],
    })
    return client.readContract({
      address: verifier,
      abi: verifierAbi,
      functionName: 'verify',
      args: [inputs, proof],
    })
  }
}
