//! Guessing is slow, whoever guesses at however many api processes.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use codecanvas::domain::ids::UserId;
use codecanvas::service::{Error, Rate, throttle};
use codecanvas::store::throttles;

use crate::support::database;
use crate::support::workshop::Workshop;

const HOUR: Duration = Duration::from_hours(1);

fn host(network: u16, host: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host))
}

fn rate(burst: u32) -> Rate {
    Rate { burst: NonZeroU32::new(burst).unwrap(), every: HOUR }
}

/// Two api processes on one database.
async fn both() -> [Workshop; 2] {
    let database = database().await;
    [(); 2].map(|()| {
        Workshop::open_on(database.clone(), |settings| {
            settings.throttles.password_per_account_and_address = rate(1);
            settings.throttles.password_per_account = rate(2);
            settings.throttles.password_per_owner = rate(1);
            settings.throttles.password_per_address = rate(3);
            settings.throttles.join_per_user = rate(1);
        })
    })
}

fn wait(result: Result<(), Error>) -> Duration {
    let error = result.unwrap_err();
    assert_eq!(error.code(), "RATE_LIMITED");
    error.retry_after().unwrap()
}

#[tokio::test]
async fn guessing_one_account_is_slow_however_its_name_is_written_and_whichever_process_is_asked() {
    let [here, there] = both().await;
    throttle::password(&here.services, host(1, 1), "ada").await.unwrap();
    throttle::password(&there.services, host(2, 1), "ADA").await.unwrap();
    for shop in [&here, &there] {
        let wait = wait(throttle::password(&shop.services, host(3, 1), "Ada").await);
        assert!(wait > Duration::from_mins(59) && wait <= HOUR, "{wait:?}");
    }
    throttle::password(&here.services, host(3, 1), "eve").await.unwrap();
}

#[tokio::test]
async fn nobody_shuts_an_owner_out_from_one_network() {
    let [here, there] = both().await;
    throttle::password(&here.services, host(1, 1), "ada").await.unwrap();
    // Another address of the same network, as often as they like.
    for number in 2..20 {
        wait(throttle::password(&there.services, host(1, number), "Ada").await);
    }
    throttle::password(&here.services, host(2, 1), "ada").await.unwrap();
    // Neither was anything taken from whoever else signs in from there.
    throttle::password(&here.services, host(1, 1), "eve").await.unwrap();
    throttle::password(&here.services, host(1, 1), "bob").await.unwrap();
}

#[tokio::test]
async fn whoever_is_signed_in_is_not_shut_out_by_those_who_are_not() {
    let [shop, _] = both().await;
    for network in 1..=2 {
        throttle::password(&shop.services, host(network, 1), "ada").await.unwrap();
    }
    wait(throttle::password(&shop.services, host(3, 1), "ada").await);
    throttle::own_password(&shop.services, "ada").await.unwrap();
    wait(throttle::own_password(&shop.services, "Ada").await);
}

#[tokio::test]
async fn guessing_from_one_network_is_slow_whatever_the_address_and_the_account() {
    let [here, there] = both().await;
    for number in 1..=3_u16 {
        throttle::password(&here.services, host(1, number), &number.to_string()).await.unwrap();
    }
    wait(throttle::password(&there.services, host(1, 9), "somebody").await);
    throttle::password(&there.services, host(2, 1), "somebody").await.unwrap();
}

#[tokio::test]
async fn a_refused_try_costs_nothing_and_time_makes_good() {
    let [shop, _] = both().await;
    let user = UserId::new();
    throttle::join(&shop.services, user).await.unwrap();
    let first = wait(throttle::join(&shop.services, user).await);
    assert!(wait(throttle::join(&shop.services, user).await) <= first);
    sqlx::query("UPDATE throttles SET free_at = free_at - interval '1 hour'").execute(shop.pool()).await.unwrap();
    throttle::join(&shop.services, user).await.unwrap();
    wait(throttle::join(&shop.services, user).await);
}

#[tokio::test]
async fn whoever_has_not_tried_anything_for_a_while_is_forgotten() {
    let [shop, _] = both().await;
    throttle::join(&shop.services, UserId::new()).await.unwrap();
    let conn = &mut *shop.pool().acquire().await.unwrap();
    assert_eq!(throttles::delete_idle(conn).await.unwrap(), 0);
    sqlx::query("UPDATE throttles SET free_at = now()").execute(&mut *conn).await.unwrap();
    assert_eq!(throttles::delete_idle(conn).await.unwrap(), 1);
}
