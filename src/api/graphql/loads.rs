//! Drives the loads of a request in the task that executes it.
//!
//! A loader has to know when everybody has asked before it reads for all of them. By itself the library waits a
//! millisecond for that, at each level of the query. Here a load begins when no resolver can go on without it, and no
//! sooner: the execution is polled first, then what it asked for.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered, Stream};
use futures_util::task::AtomicWaker;

type Load = BoxFuture<'static, ()>;

/// The loads of one request.
#[derive(Default)]
pub struct Loads {
    asked: Arc<Mutex<Vec<Load>>>,
    running: FuturesUnordered<Load>,
    wakes: Arc<Wakes>,
}

/// Wakes the task that executes the request, and knows that it did.
#[derive(Default)]
struct Wakes {
    task: AtomicWaker,
    was_woken: AtomicBool,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.was_woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Loads {
    /// What a loader starts its loads with.
    pub fn starter(&self) -> impl Fn(Load) + Send + Sync + 'static {
        let asked = Arc::clone(&self.asked);
        move |load| asked.lock().unwrap_or_else(PoisonError::into_inner).push(load)
    }

    /// Executes an operation with its loads.
    pub async fn during<F: Future>(mut self, execution: F) -> F::Output {
        let mut execution = pin!(execution);
        poll_fn(|context| self.poll(context, |context| execution.as_mut().poll(context))).await
    }

    /// The answers of a subscription with their loads.
    pub fn of_each<S: Stream + Unpin>(mut self, mut answers: S) -> impl Stream<Item = S::Item> {
        stream::poll_fn(move |context| self.poll(context, |context| answers.poll_next_unpin(context)))
    }

    fn poll<T>(&mut self, context: &mut Context<'_>, mut execute: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        loop {
            // Each time: a wake takes it away.
            self.wakes.task.register(context.waker());
            self.wakes.was_woken.store(false, Ordering::Release);
            if let Poll::Ready(done) = execute(&mut Context::from_waker(&waker)) {
                return Poll::Ready(done);
            }
            // A long list only takes a break: not all of its entries have asked.
            if self.wakes.was_woken.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
            self.running.extend(asked);
            // With what a load has brought some resolver can go on.
            let Poll::Ready(Some(())) = self.running.poll_next_unpin(context) else { return Poll::Pending };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::sync::{Notify, oneshot};

    use super::*;

    /// A resolver: asks for one thing, and waits for it.
    async fn resolve(start: &(impl Fn(Load) + Sync), loaded: &Arc<AtomicUsize>) {
        let (done, answer) = oneshot::channel();
        let loaded = Arc::clone(loaded);
        let load = async move {
            loaded.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            done.send(()).unwrap();
        };
        start(load.boxed());
        answer.await.unwrap();
    }

    #[tokio::test]
    async fn no_load_begins_before_all_have_asked() {
        let loads = Loads::default();
        let (start, loaded) = (loads.starter(), Arc::<AtomicUsize>::default());
        // So many that the list takes breaks.
        let entries = (0..100).map(|index| {
            let (start, loaded) = (&start, &loaded);
            async move {
                tokio::task::yield_now().await;
                assert_eq!(loaded.load(Ordering::Relaxed), 0, "entry {index} has not asked");
                resolve(start, loaded).await;
            }
        });
        loads.during(join_all(entries)).await;
        assert_eq!(loaded.load(Ordering::Relaxed), 100);
    }

    #[tokio::test]
    async fn what_happens_after_a_load_still_wakes() {
        let loads = Loads::default();
        let (start, loaded, event) = (loads.starter(), Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let (has_loaded, heard) = oneshot::channel();
        let waiter = Arc::clone(&event);
        let execution = tokio::spawn(loads.during(async move {
            resolve(&start, &loaded).await;
            let happens = waiter.notified();
            has_loaded.send(()).unwrap();
            happens.await;
        }));
        heard.await.unwrap();
        event.notify_one();
        tokio::time::timeout(Duration::from_secs(10), execution).await.expect("it is woken").unwrap();
    }
}
