//! End sessions, and find those of a user. Access tokens stay good until they run out, unless verification asks the store.

use super::{Engine, Failure};
use crate::id::{AppId, SessionHandle, TenantId, UserId};

impl Engine {
    /// Ends sessions; answers those that there were. One write.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, Failure> {
        if handles.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.storage().revoke(app, handles).await?)
    }

    /// Ends all sessions of a user, in one tenant or in all; answers those that had not ended before. One write.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
    ) -> Result<Vec<SessionHandle>, Failure> {
        Ok(self
            .storage()
            .revoke_user(app, tenant, user, self.now())
            .await?)
    }

    /// The user's sessions, in one tenant or in all, in no particular order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn handles_of_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
    ) -> Result<Vec<SessionHandle>, Failure> {
        Ok(self
            .storage()
            .handles_of_user(app, tenant, user, self.now())
            .await?)
    }
}
