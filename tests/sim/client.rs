//! The way from one run of the hub to the target, where requests and answers are delayed and lost.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use hubline_hub::object::{ObjectId, ObjectKind};
use hubline_hub::sink::{
    FenceToken, Observed, Operation, OperationResult, Presence, Sink, SinkError, TargetId, Written,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::life::Life;
use crate::target::Target;

/// As long as the hub waits for an answer of the Admin API.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Client {
    target: Target,
    life: Life,
    id: TargetId,
}

fn unreachable(message: &str) -> SinkError {
    SinkError::Unreachable {
        message: message.to_owned(),
    }
}

impl Client {
    pub(crate) fn new(target: Target, life: Life) -> Self {
        let id = TargetId("simulated".into());
        Self { target, life, id }
    }

    /// Who is dead asks for nothing.
    async fn alive(&self) {
        if self.life.is_over() {
            std::future::pending::<()>().await;
        }
    }

    /// One way, if it leads there.
    async fn travel(&self) -> Result<(), SinkError> {
        let (weather, latency) = self.target.with(|state| (state.weather, state.latency()));
        sleep(latency).await;
        if weather.hangs {
            sleep(PATIENCE).await;
            return Err(unreachable("no answer"));
        }
        if weather.down {
            return Err(unreachable("connection refused"));
        }
        Ok(())
    }

    async fn write(&self, operation: &Operation) -> Result<Written, SinkError> {
        self.alive().await;
        self.target.with(|state| state.count_write());
        self.travel().await?;
        let (there, back, mute) = self.target.with(|state| {
            let mute = state.weather.mute;
            (state.latency(), state.latency(), state.chance.percent(mute))
        });
        let (answer, answered) = oneshot::channel();
        // Once it left, it arrives, whatever becomes of the hub.
        let (target, operation, life) = (self.target.clone(), operation.clone(), self.life.clone());
        tokio::spawn(async move {
            sleep(there).await;
            let knows = !mute && !life.is_over();
            let result = target.with(|state| state.perform(&operation, knows));
            sleep(back).await;
            if life.is_over() {
                target.with(|state| state.promises.surprised());
            }
            if !mute {
                answer.send(result).ok();
            }
        });
        match answered.await {
            Ok(result) => result,
            Err(_) => {
                sleep(PATIENCE).await;
                Err(unreachable("no answer"))
            }
        }
    }
}

#[async_trait]
impl Sink for Client {
    fn target(&self) -> &TargetId {
        &self.id
    }

    async fn observe(&self) -> Result<Observed, SinkError> {
        self.alive().await;
        let began = Instant::now();
        let mut observed = Observed::default();
        for kind in ObjectKind::ALL {
            self.travel().await?;
            let busy = self.target.with(|state| {
                let busy = state.weather.busy;
                state.chance.percent(busy)
            });
            if busy {
                return Err(SinkError::Busy { status: 503 });
            }
            self.target.with(|state| state.observe(kind, &mut observed));
        }
        self.target.with(|state| state.observed_from(began));
        Ok(observed)
    }

    async fn probe(&self, marker: &ObjectId) -> Result<Presence, SinkError> {
        self.alive().await;
        self.travel().await?;
        Ok(self.target.with(|state| state.presence(marker)))
    }

    async fn apply(&self, _fence: FenceToken, stage: &[Operation]) -> Vec<OperationResult> {
        let began = Instant::now();
        let results = join_all(stage.iter().map(|operation| self.write(operation))).await;
        let answered = |result: Result<Written, SinkError>| OperationResult {
            status: result.is_ok().then_some(200),
            result,
            duration: began.elapsed(),
        };
        results.into_iter().map(answered).collect()
    }
}
