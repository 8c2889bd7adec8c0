//! Accounts, and signing in and out.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use axum::http::header::SET_COOKIE;
use chrono::Utc;

use crate::api::credential::SessionCookie;
use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::connection::parse_id;
use crate::api::graphql::enums::SiteRole;
use crate::api::graphql::object::{AccessToken, User};
use crate::api::graphql::scalar::DateTime;
use crate::service::sessions::SignedIn;
use crate::service::{admin, people, sessions, tokens};

/// A new account.
#[derive(InputObject)]
pub struct RegisterInput {
    /// The name to sign in with: letters, digits, dots, dashes and underscores.
    username: String,
    /// At least 8 characters, and not easily guessed.
    password: String,
    /// What others will see; the username where it is left out.
    display_name: Option<String>,
    /// Where registration is by invitation: the code.
    invitation_code: Option<String>,
}

/// Who signs in.
#[derive(InputObject)]
pub struct SignInInput {
    /// Case does not matter.
    username: String,
    /// The password.
    password: String,
}

/// A session. The token goes into `Authorization: Bearer`, or into `connection_init` as
/// `{"authorization": "Bearer …"}`; browsers get an HttpOnly cookie as well.
#[derive(SimpleObject)]
pub struct SessionPayload {
    /// Who is signed in now.
    user: User,
    /// The secret of the session; shown this once.
    token: String,
    /// When the session ends by itself.
    expires_at: DateTime,
}

impl SessionPayload {
    fn of(ctx: &Context<'_>, signed_in: SignedIn) -> Self {
        ctx.asking().go_on_as(signed_in.viewer());
        let lifetime = signed_in.session.expires_at - Utc::now();
        let cookie = ctx.data_unchecked::<SessionCookie>();
        ctx.append_http_header(SET_COOKIE, cookie.set(signed_in.secret.reveal(), lifetime.num_seconds()));
        Self {
            user: signed_in.user.into(),
            token: signed_in.secret.reveal().to_owned(),
            expires_at: signed_in.session.expires_at.into(),
        }
    }
}

/// What became of signing out.
#[derive(SimpleObject)]
pub struct SignOutPayload {
    /// Whether a session was ended; false where an access token was used.
    is_signed_out: bool,
}

/// A new password.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The password so far.
    current_password: String,
    /// At least 8 characters, and not easily guessed.
    new_password: String,
}

/// All other sessions of the user have ended.
#[derive(SimpleObject)]
pub struct ChangePasswordPayload {
    /// Whose password it is.
    user: User,
}

/// A new access token.
#[derive(InputObject)]
pub struct CreateAccessTokenInput {
    /// What to call it.
    name: String,
    /// When it is to end; never where it is left out.
    expires_at: Option<DateTime>,
}

/// A new access token with its secret.
#[derive(SimpleObject)]
pub struct CreateAccessTokenPayload {
    /// The token.
    access_token: AccessToken,
    /// Shown this once. Use it like the token of a session.
    secret: String,
}

/// An access token that is no longer wanted.
#[derive(InputObject)]
pub struct RevokeAccessTokenInput {
    /// The token's id.
    id: ID,
}

/// The token works no longer.
#[derive(SimpleObject)]
pub struct RevokeAccessTokenPayload {
    /// The token's id.
    revoked_id: ID,
}

/// A session to end.
#[derive(InputObject)]
pub struct EndSessionInput {
    /// The session's id.
    id: ID,
}

/// The session has ended.
#[derive(SimpleObject)]
pub struct EndSessionPayload {
    /// The session's id.
    ended_id: ID,
}

/// What others see of the viewer.
#[derive(InputObject)]
pub struct UpdateProfileInput {
    /// The name that others see.
    display_name: String,
}

/// A user that was changed.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// As it is now.
    user: User,
}

/// The end of an account.
#[derive(InputObject)]
pub struct DeleteAccountInput {
    /// The password once more; guests give an empty one.
    password: String,
}

/// Another role for somebody.
#[derive(InputObject)]
pub struct SetUserRoleInput {
    /// Whose role.
    user_id: ID,
    /// The role.
    role: SiteRole,
}

/// A user to delete.
#[derive(InputObject)]
pub struct DeleteUserInput {
    /// The user's id.
    user_id: ID,
}

/// It is gone, and all that belonged to it.
#[derive(SimpleObject)]
pub struct DeletePayload {
    /// The id that nothing has any more.
    deleted_id: ID,
}

/// Accounts, and signing in and out.
#[derive(Debug, Default)]
pub struct PeopleMutation;

#[Object]
impl PeopleMutation {
    /// Makes an account and signs in to it. A guest keeps their history.
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new account.")] input: RegisterInput,
    ) -> Result<SessionPayload> {
        ctx.asking().check_first_sign_in()?;
        let input = people::Register {
            username: input.username,
            password: input.password,
            display_name: input.display_name,
            invitation_code: input.invitation_code,
        };
        let signed_in = people::register(ctx.services(), ctx.find_viewer(), ctx.asking().client(), input).await?;
        Ok(SessionPayload::of(ctx, signed_in))
    }

    /// A throw-away account with tight limits, where the operator allows guests; register turns it into a full
    /// one and keeps its history.
    async fn sign_in_as_guest(&self, ctx: &Context<'_>) -> Result<SessionPayload> {
        ctx.asking().check_first_sign_in()?;
        let signed_in = sessions::sign_in_as_guest(ctx.services(), ctx.asking().client()).await?;
        Ok(SessionPayload::of(ctx, signed_in))
    }

    /// Starts a session.
    async fn sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Name and password.")] input: SignInInput,
    ) -> Result<SessionPayload> {
        ctx.asking().check_first_sign_in()?;
        let signed_in =
            sessions::sign_in(ctx.services(), ctx.asking().client(), &input.username, &input.password).await?;
        Ok(SessionPayload::of(ctx, signed_in))
    }

    /// Ends the session in use.
    async fn sign_out(&self, ctx: &Context<'_>) -> Result<SignOutPayload> {
        let is_signed_out = sessions::sign_out(ctx.services(), ctx.viewer()?).await?;
        if is_signed_out {
            ctx.asking().go_on_as_nobody();
        }
        ctx.append_http_header(SET_COOKIE, ctx.data_unchecked::<SessionCookie>().clear());
        Ok(SignOutPayload { is_signed_out })
    }

    /// Replaces the password and ends all other sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The old and the new one.")] input: ChangePasswordInput,
    ) -> Result<ChangePasswordPayload> {
        let (current, new) = (&input.current_password, &input.new_password);
        let user = people::change_password(ctx.services(), ctx.viewer()?, current, new).await?;
        Ok(ChangePasswordPayload { user: user.into() })
    }

    /// Makes a credential for scripts and the command line.
    async fn create_access_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new token.")] input: CreateAccessTokenInput,
    ) -> Result<CreateAccessTokenPayload> {
        let expires_at = input.expires_at.map(|instant| instant.0);
        let (token, secret) = tokens::create(ctx.services(), ctx.viewer()?, &input.name, expires_at).await?;
        Ok(CreateAccessTokenPayload { access_token: token.into(), secret: secret.reveal().to_owned() })
    }

    /// Ends an access token for good.
    async fn revoke_access_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which token.")] input: RevokeAccessTokenInput,
    ) -> Result<RevokeAccessTokenPayload> {
        tokens::revoke(ctx.services(), ctx.viewer()?, parse_id(&input.id, "access token")?).await?;
        Ok(RevokeAccessTokenPayload { revoked_id: input.id })
    }

    /// Signs out somewhere else.
    async fn end_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session.")] input: EndSessionInput,
    ) -> Result<EndSessionPayload> {
        sessions::end_session(ctx.services(), ctx.viewer()?, parse_id(&input.id, "session")?).await?;
        Ok(EndSessionPayload { ended_id: input.id })
    }

    /// Changes what others see of the viewer.
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What others will see.")] input: UpdateProfileInput,
    ) -> Result<UserPayload> {
        let user = people::update_profile(ctx.services(), ctx.viewer()?, &input.display_name).await?;
        Ok(UserPayload { user: user.into() })
    }

    /// Deletes the account and everything that is its own; needs the password again.
    async fn delete_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password.")] input: DeleteAccountInput,
    ) -> Result<DeletePayload> {
        let viewer = ctx.viewer()?;
        people::delete_account(ctx.services(), viewer, &input.password).await?;
        ctx.asking().go_on_as_nobody();
        ctx.append_http_header(SET_COOKIE, ctx.data_unchecked::<SessionCookie>().clear());
        Ok(DeletePayload { deleted_id: viewer.user_id.into() })
    }

    /// Changes what somebody is on this server. Only for admins.
    async fn set_user_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and which role.")] input: SetUserRoleInput,
    ) -> Result<UserPayload> {
        let viewer = ctx.viewer()?;
        let id = parse_id(&input.user_id, "user")?;
        let user = admin::set_user_role(ctx.services(), viewer, id, input.role.into()).await?;
        Ok(UserPayload { user: user.into() })
    }

    /// Deletes somebody with all that is theirs. Only for admins.
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] input: DeleteUserInput,
    ) -> Result<DeletePayload> {
        admin::delete_user(ctx.services(), ctx.viewer()?, parse_id(&input.user_id, "user")?).await?;
        Ok(DeletePayload { deleted_id: input.user_id })
    }
}
