//! [`BlockByBlock`]: AES for short texts.

use ::aes::cipher::consts::U1;
use ::aes::cipher::inout::InOut;
use ::aes::cipher::{
    Block, BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, ParBlocksSizeUser,
};

/// A block cipher that does one block at a time. The ciphers themselves take up to 64 at once, for
/// which they spread up to 8 KiB over the stack. Wiping that takes longer than a short text.
pub struct BlockByBlock<'a, C>(pub &'a C);

impl<C: BlockSizeUser> BlockSizeUser for BlockByBlock<'_, C> {
    type BlockSize = C::BlockSize;
}

impl<C: BlockSizeUser> ParBlocksSizeUser for BlockByBlock<'_, C> {
    type ParBlocksSize = U1;
}

impl<C: BlockCipherEncrypt> BlockCipherEncrypt for BlockByBlock<'_, C> {
    fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = Self::BlockSize>) {
        f.call(self);
    }
}

impl<C: BlockCipherEncrypt> BlockCipherEncBackend for BlockByBlock<'_, C> {
    fn encrypt_block(&self, block: InOut<'_, '_, Block<Self>>) {
        self.0.encrypt_block_inout(block);
    }
}

impl<C: BlockCipherDecrypt> BlockCipherDecrypt for BlockByBlock<'_, C> {
    fn decrypt_with_backend(&self, f: impl BlockCipherDecClosure<BlockSize = Self::BlockSize>) {
        f.call(self);
    }
}

impl<C: BlockCipherDecrypt> BlockCipherDecBackend for BlockByBlock<'_, C> {
    fn decrypt_block(&self, block: InOut<'_, '_, Block<Self>>) {
        self.0.decrypt_block_inout(block);
    }
}
