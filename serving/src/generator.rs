//! From a checked request to sequences in the engine.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use inference::backend::Backend;
use inference::chat::{ChatTemplate, Conversation};
use inference::engine::{self, Engine, SubmitError};
use inference::generation;
use inference::ids::{RequestId, TokenId};
use inference::tokenizer::{Special, Tokenizer};

use crate::answer::Choice;
use crate::api::chat::{ChatRequest, Message};
use crate::api::completion::{CompletionRequest, Prompt};
use crate::api::options::{ModelBounds, Options};
use crate::api::problem::Problem;
use crate::limits::{MAX_PROMPT_BYTES, template_limits};

/// The parameters that hold prompts.
const MESSAGES: &str = "messages";
const PROMPT: &str = "prompt";

/// The model with everything that turns text into its tokens.
pub(crate) struct Generator<B: Backend> {
    pub(crate) engine: Engine<B>,
    pub(crate) tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    /// Where the seeds of requests without one come from.
    seed: u64,
}

/// Sequences of one request, submitted.
pub(crate) struct Submitted {
    pub(crate) choices: Vec<Choice>,
    pub(crate) prompt_tokens: usize,
}

impl<B: Backend> Generator<B> {
    pub(crate) fn new(
        engine: Engine<B>,
        tokenizer: Tokenizer,
        template: Option<ChatTemplate>,
        seed: u64,
    ) -> Self {
        Self {
            engine,
            tokenizer,
            template,
            seed,
        }
    }

    pub(crate) fn bounds(&self) -> ModelBounds {
        ModelBounds {
            context: self.engine.config().context,
            vocabulary: self.tokenizer.vocabulary(),
        }
    }

    /// Submits the continuation of a conversation; templates may tell the time.
    pub(crate) fn chat(
        &mut self,
        request: ChatRequest,
        unix_time: u64,
    ) -> Result<Submitted, Problem> {
        let prompt = self.conversation_tokens(request.messages, unix_time)?;
        self.submit(
            [prompt].into(),
            MESSAGES,
            &request.options,
            request.logprobs,
        )
    }

    /// Submits the continuation of each prompt.
    pub(crate) fn completion(&mut self, request: CompletionRequest) -> Result<Submitted, Problem> {
        let prompts = request
            .prompts
            .into_iter()
            .map(|prompt| self.prompt_tokens(prompt))
            .collect::<Result<_, _>>()?;
        self.submit(prompts, PROMPT, &request.options, request.logprobs)
    }

    fn conversation_tokens(
        &self,
        messages: Vec<Message>,
        unix_time: u64,
    ) -> Result<Vec<TokenId>, Problem> {
        let template = self.template.as_ref().ok_or(Problem::NoChatTemplate)?;
        let bytes = messages.iter().map(Message::bytes).sum();
        self.check_bytes(bytes, MESSAGES)?;
        let text = |token| self.tokenizer.token_text(token).into();
        let conversation = Conversation {
            messages: messages.into_iter().map(Message::into_json).collect(),
            add_generation_prompt: true,
            bos_token: self.tokenizer.bos().map(text).unwrap_or_default(),
            eos_token: self.tokenizer.eos().map(text).unwrap_or_default(),
            unix_time: u32::try_from(unix_time).unwrap_or(u32::MAX),
            ..Conversation::default()
        };
        // The template was tried when the model was loaded, so it is these messages that it does not like.
        let segments = template
            .render_within(&conversation, template_limits(bytes))
            .map_err(|error| Problem::InvalidValue {
                param: MESSAGES.into(),
                why: format!("the model's chat template refuses the conversation: {error}").into(),
            })?;
        let bytes = segments.iter().map(|segment| segment.text.len()).sum();
        self.check_length(bytes, MESSAGES)?;
        self.check_bytes(bytes, MESSAGES)?;
        Ok(generation::segment_tokens(&self.tokenizer, &segments))
    }

    fn prompt_tokens(&self, prompt: Prompt) -> Result<Vec<TokenId>, Problem> {
        match prompt {
            Prompt::Tokens(tokens) => Ok(tokens),
            Prompt::Text(text) => {
                self.check_length(text.len(), PROMPT)?;
                self.check_bytes(text.len(), PROMPT)?;
                Ok(generation::prompt_tokens(
                    &self.tokenizer,
                    &text,
                    Special::AsText,
                ))
            }
        }
    }

    /// Refuses a text that is too long whatever its tokens are: all other clients wait while one is tokenised.
    fn check_length(&self, bytes: usize, param: &'static str) -> Result<(), Problem> {
        let context = self.engine.config().context;
        let tokens = self.tokenizer.least_tokens(bytes);
        if tokens < context {
            return Ok(());
        }
        Err(Problem::ContextLength {
            param,
            context,
            tokens,
            exact: false,
        })
    }

    /// Refuses a text whose rendering or tokenising would take more memory than is set aside for it.
    fn check_bytes(&self, bytes: usize, param: &'static str) -> Result<(), Problem> {
        if bytes <= MAX_PROMPT_BYTES {
            return Ok(());
        }
        // The context is the better reason, where it is one.
        self.check_length(bytes, param)?;
        Err(Problem::InvalidValue {
            param: param.into(),
            why: format!("its text has {bytes} bytes; at most {MAX_PROMPT_BYTES} are supported.")
                .into(),
        })
    }

    /// Submits `n` sequences of every prompt, or none at all.
    fn submit(
        &mut self,
        prompts: Vec<Vec<TokenId>>,
        param: &'static str,
        options: &Options,
        logprobs: Option<usize>,
    ) -> Result<Submitted, Problem> {
        let sequences = prompts.len() * options.n;
        let engine::EngineConfig {
            max_running,
            max_waiting,
            ..
        } = *self.engine.config();
        if sequences > max_running + max_waiting {
            return Err(Problem::InvalidValue {
                param: "n".into(),
                why: format!(
                    "{} prompts times n = {} are more than the {} sequences that this server holds.",
                    prompts.len(),
                    options.n,
                    max_running + max_waiting
                )
                .into(),
            });
        }
        let prompt_tokens = prompts.iter().map(Vec::len).sum();
        let mut choices: Vec<Choice> = Vec::with_capacity(sequences);
        for (prompt, copy) in prompts
            .iter()
            .flat_map(|prompt| (0..options.n).map(move |n| (prompt, n)))
        {
            match self.submit_one(prompt, copy, options, logprobs) {
                Ok(request) => {
                    choices.push(Choice::new(
                        request,
                        options.stop.clone(),
                        logprobs.is_some(),
                    ));
                }
                Err(error) => {
                    for choice in &choices {
                        self.engine.cancel(choice.request);
                    }
                    return Err(problem_of(error, param));
                }
            }
        }
        Ok(Submitted {
            choices,
            prompt_tokens,
        })
    }

    fn submit_one(
        &mut self,
        prompt: &[TokenId],
        copy: usize,
        options: &Options,
        logprobs: Option<usize>,
    ) -> Result<RequestId, SubmitError> {
        let mut sampling = options.sampling.clone();
        // The copies of a prompt would all say the same with the same seed.
        sampling.seed = options
            .seed
            .unwrap_or_else(|| self.next_seed())
            .wrapping_add(copy as u64);
        self.engine.submit(engine::Request {
            prompt: prompt.to_vec(),
            max_tokens: options.max_tokens.unwrap_or(self.engine.config().context),
            sampling,
            stop_tokens: self.tokenizer.end_of_generation().to_vec(),
            log_probabilities: logprobs,
        })
    }

    fn next_seed(&mut self) -> u64 {
        // Odd steps visit every seed. The step is none of the sampler's, which draws from its seed plus multiples of
        // 0x9e37_79b9_7f4a_7c15: seeds that far apart would share their draws, shifted by one.
        self.seed = self.seed.wrapping_add(0xd134_2543_de82_ef95);
        self.seed
    }
}

fn problem_of(error: SubmitError, param: &'static str) -> Problem {
    match error {
        SubmitError::QueueFull { .. } => Problem::QueueFull,
        SubmitError::PromptTooLong { tokens, context } => Problem::ContextLength {
            param,
            context,
            tokens,
            exact: true,
        },
        other => Problem::InvalidValue {
            param: param.into(),
            why: other.to_string().into(),
        },
    }
}
