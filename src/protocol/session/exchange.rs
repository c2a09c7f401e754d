//! The part of a session that exchanges keys.

use super::{ACCEPTED, Operation, Session, State, Wait, framing_under};
use crate::crypto::rsa::{MAX_PEM_SIZE, hex};
use crate::crypto::{RsaWrapper, default_key_pair};
use crate::error::{Error, Reason, Result};
use crate::protocol::config::Role;
use crate::protocol::framing::{CLEAR_HEADER_SIZE, Keys, clear_header, read_clear_header};
use crate::protocol::key_exchange::{KeyExchange, RECEIVE_FIRST, SEND_FIRST, Step};
use crate::secret::{KEYS_STACK, check_heap_for_crypto, wiping_stack};

impl Session {
    /// Begins a key exchange or one of its steps.
    pub fn begin_exchange(&mut self, operation: Operation) -> Result<()> {
        self.check_idle()?;
        // As in each step: without memory the session is over.
        check_heap_for_crypto().inspect_err(|_| self.end())?;
        let steps: &'static [Step] = match operation {
            Operation::ExchangeKeys {
                receive_first: true,
            } => RECEIVE_FIRST,
            Operation::ExchangeKeys {
                receive_first: false,
            } => SEND_FIRST,
            Operation::SendPublicKey => &[Step::SendPublicKey],
            Operation::ReceivePublicKey => &[Step::ReceivePublicKey],
            Operation::SendAesKey => &[Step::SendSecret],
            Operation::ReceiveAesKey => &[Step::ReceiveSecret],
            Operation::Receive | Operation::Send => unreachable!("no part of a key exchange"),
        };
        let is_repeated = match &self.exchange {
            Some(exchange) => steps.iter().any(|step| exchange.is_done(*step)),
            None => self.is_exchanged,
        };
        if is_repeated {
            return Err(Error::new(
                Reason::KeysAlreadyExchanged,
                "the keys, or this part of them, are exchanged already",
            ));
        }
        self.prepare_keys(steps)?;
        self.exchange
            .get_or_insert_with(|| Box::new(KeyExchange::new(self.config.role)));
        self.start(
            operation,
            State::Exchange {
                steps,
                wait: Wait::Nothing,
            },
        );
        Ok(())
    }

    /// Whether the keys have to be exchanged, and no part of them is yet.
    pub fn needs_exchange(&self) -> bool {
        let has_begun = |exchange: &KeyExchange| exchange.has_begun();
        !self.is_ready() && !self.exchange.as_deref().is_some_and(has_begun)
    }

    /// Generates or checks the keys that the steps need, so that none is missing half-way.
    fn prepare_keys(&mut self, steps: &[Step]) -> Result<()> {
        let rsa = match &mut self.rsa {
            Some(rsa) => rsa,
            none => none.insert(wiping_stack::<KEYS_STACK, _>(default_key_pair::get)?),
        };
        rsa.check_pair()?;
        if steps == [Step::SendSecret] && !rsa.has_remote() {
            return Err(Error::new(
                Reason::KeyMissing,
                "the peer's public RSA key has not been received yet",
            ));
        }
        Ok(())
    }

    fn wait_for(&mut self, steps: &'static [Step], wait: Wait, count: usize) {
        self.input.clear();
        self.input.want(count);
        self.set_state(State::Exchange { steps, wait });
    }

    pub(super) fn step_exchange(&mut self, steps: &'static [Step], wait: Wait) -> Result<()> {
        match steps[0] {
            Step::SendSecret | Step::ReceiveSecret => {
                wiping_stack::<KEYS_STACK, _>(|| self.take_step(steps, wait))
            }
            Step::SendPublicKey | Step::ReceivePublicKey => self.take_step(steps, wait),
        }
    }

    fn take_step(&mut self, steps: &'static [Step], wait: Wait) -> Result<()> {
        check_heap_for_crypto()?;
        match wait {
            Wait::Nothing => self.begin_step(steps),
            Wait::LengthAnswer => {
                self.receive_answer()?;
                let rsa = self.rsa.as_ref().expect("keys were prepared");
                let pem = rsa.public_key().expect("keys were prepared");
                self.output.push(pem.as_bytes())?;
                self.wait_for(steps, Wait::Answer, 1);
                Ok(())
            }
            Wait::Answer => {
                self.receive_answer()?;
                self.finish_step(steps);
                // The peer sends next: its key or secret or, after the last answer, a client's
                // first request.
                self.ack_due = !self.is_exchanged || self.config.role == Role::Server;
                Ok(())
            }
            Wait::Length => {
                let size = match read_clear_header(self.input.filled()) {
                    Ok(0) => Err(Error::new(
                        Reason::ProtocolViolation,
                        "the peer announced an empty public key",
                    )),
                    Ok(size) if size > MAX_PEM_SIZE as u64 => Err(Error::new(
                        Reason::MessageTooLarge,
                        format!(
                            "the peer announced a public key of {size} bytes; at most {MAX_PEM_SIZE} are read"
                        ),
                    )),
                    other => other,
                };
                match size {
                    Ok(size) => {
                        self.output.push(&[ACCEPTED])?;
                        self.wait_for(steps, Wait::PublicKey, size as usize);
                        Ok(())
                    }
                    Err(error) => self.refuse(error),
                }
            }
            Wait::PublicKey => {
                let (exchange, rsa) = exchange_parts(&mut self.exchange, &mut self.rsa);
                let expected = self.config.expected_fingerprint;
                let accepted = exchange
                    .accept_public_key(rsa, self.input.filled())
                    .and_then(|()| check_fingerprint(rsa, expected));
                match accepted {
                    Ok(()) => {
                        self.output.push(&[ACCEPTED])?;
                        self.finish_step(steps);
                        Ok(())
                    }
                    Err(error) => self.refuse(error),
                }
            }
            Wait::Secret => {
                let (exchange, rsa) = exchange_parts(&mut self.exchange, &mut self.rsa);
                let received = self.input.filled();
                match exchange.accept_secret(rsa, received, self.config.protocol) {
                    Ok(()) if exchange.missing_clear_size() > 0 => {
                        let size = received.len() + exchange.missing_clear_size();
                        self.input.want(size);
                        self.set_state(State::Exchange {
                            steps,
                            wait: Wait::EncapsulationKey,
                        });
                        Ok(())
                    }
                    accepted => self.answer_secret(steps, accepted),
                }
            }
            Wait::EncapsulationKey => {
                let (exchange, _) = exchange_parts(&mut self.exchange, &mut self.rsa);
                let accepted =
                    exchange.accept_encapsulation_key(self.input.filled(), self.config.random);
                self.answer_secret(steps, accepted)
            }
        }
    }

    fn answer_secret(&mut self, steps: &'static [Step], accepted: Result<()>) -> Result<()> {
        match accepted {
            Ok(()) => {
                self.output.push(&[ACCEPTED])?;
                self.finish_step(steps);
                Ok(())
            }
            Err(error) => self.refuse(error),
        }
    }

    fn begin_step(&mut self, steps: &'static [Step]) -> Result<()> {
        let (exchange, rsa) = exchange_parts(&mut self.exchange, &mut self.rsa);
        match steps[0] {
            Step::SendPublicKey => {
                let pem = rsa.public_key().expect("keys were prepared");
                self.output.push(&clear_header(pem.len())?)?;
                self.wait_for(steps, Wait::LengthAnswer, 1);
            }
            Step::ReceivePublicKey => self.wait_for(steps, Wait::Length, CLEAR_HEADER_SIZE),
            Step::SendSecret => {
                let own_key = self.keys.as_ref().and_then(Keys::aes);
                let secret = exchange.wrap_secret(
                    rsa,
                    own_key,
                    self.config.protocol,
                    self.config.key_echo,
                    self.config.random,
                )?;
                self.output.push(&secret)?;
                self.wait_for(steps, Wait::Answer, 1);
            }
            Step::ReceiveSecret => {
                let size = rsa.ciphertext_size()? + exchange.expected_clear_size();
                self.wait_for(steps, Wait::Secret, size);
            }
        }
        Ok(())
    }

    fn finish_step(&mut self, steps: &'static [Step]) {
        let (exchange, _) = exchange_parts(&mut self.exchange, &mut self.rsa);
        exchange.finish(steps[0]);
        if let Some(keys) = exchange.take_session_keys() {
            self.framing = framing_under(&self.config, &keys);
            self.keys = Some(keys);
            self.is_exchanged = true;
            self.exchange = None;
            if let Some(rsa) = &mut self.rsa {
                rsa.drop_encrypting_key();
            }
        }
        self.input.clear();
        self.set_state(State::Exchange {
            steps: &steps[1..],
            wait: Wait::Nothing,
        });
    }
}

/// Checks the peer's public key against the expected fingerprint, if any.
fn check_fingerprint(rsa: &RsaWrapper, expected: Option<[u8; 32]>) -> Result<()> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let (found, expected) = (rsa.fingerprint(true)?, hex(&expected));
    if found == expected {
        return Ok(());
    }
    Err(Error::new(
        Reason::FingerprintMismatch,
        format!("the peer's public key has the fingerprint {found}; {expected} was expected"),
    ))
}

fn exchange_parts<'a>(
    exchange: &'a mut Option<Box<KeyExchange>>,
    rsa: &'a mut Option<RsaWrapper>,
) -> (&'a mut KeyExchange, &'a mut RsaWrapper) {
    const PREPARED: &str = "the exchange was prepared";
    (
        exchange.as_mut().expect(PREPARED),
        rsa.as_mut().expect(PREPARED),
    )
}
