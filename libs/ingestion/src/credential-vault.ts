import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config, ValueError } from '@sluice/kernel';

const FORMAT = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const REMEDY = 'Set SLUICE_SECRET_KEY to 32 random bytes in base64 (openssl rand -base64 32) and start again.';

/**
 * Seals credentials with AES-256-GCM under `SLUICE_SECRET_KEY`: `format (1 byte) | iv | tag | ciphertext`. The ingestion's id is
 * authenticated too, so that sealed credentials cannot be moved to another ingestion.
 */
@Injectable()
export class CredentialVault {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /** Throws `ValueError` when there is no key. */
  seal(ingestionId: string, credentials: Record<string, string>): Buffer {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.key(), iv).setAAD(Buffer.from(ingestionId));
    const text = Buffer.concat([cipher.update(JSON.stringify(credentials), 'utf8'), cipher.final()]);
    return Buffer.concat([Buffer.of(FORMAT), iv, cipher.getAuthTag(), text]);
  }

  /** Throws when the key is another one or the bytes were changed. */
  open(ingestionId: string, sealed: Buffer): Record<string, string> {
    if (sealed[0] !== FORMAT)
      throw new Error(`Credentials of ingestion ${ingestionId} are sealed in an unknown format.`);
    const [iv, tag] = [sealed.subarray(1, 1 + IV_BYTES), sealed.subarray(1 + IV_BYTES, 1 + IV_BYTES + TAG_BYTES)];
    const decipher = createDecipheriv('aes-256-gcm', this.key(), iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(ingestionId)).setAuthTag(tag);
    const text = Buffer.concat([decipher.update(sealed.subarray(1 + IV_BYTES + TAG_BYTES)), decipher.final()]);
    return JSON.parse(text.toString('utf8')) as Record<string, string>;
  }

  /** Tells two bodies apart without giving a guesser of their secrets anything to try against: keyed, where there is a key. */
  digest(text: string): string {
    const key = this.config.SLUICE_SECRET_KEY?.reveal();
    return (key ? createHmac('sha256', key) : createHash('sha256')).update(text).digest('hex');
  }

  private key(): Buffer {
    const key = this.config.SLUICE_SECRET_KEY;
    if (key) return key.reveal();
    throw new ValueError(
      `source.credentials cannot be kept: there is no key to seal them with. ${REMEDY}`,
      'source.credentials',
    );
  }
}
