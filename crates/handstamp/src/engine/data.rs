//! Read and overwrite what is kept of a session in the store.

use super::{Engine, Error, Failure};
use crate::id::{AppId, SessionHandle};
use crate::json::JsonObject;
use crate::session::SessionData;
use crate::storage::DataWrite;

impl Engine {
    /// The session's data and its version; `None` when the session was revoked or has ended. One read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<SessionData>, Failure> {
        let data = self.storage().session_data(app, handle).await?;
        Ok(data.filter(|data| self.now() < data.expires_at))
    }

    /// Overwrites the session's data; with `expected`, only if nobody else has written since that version was read. One write.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the data are too large; [`Error::Failure`] when the store fails.
    pub async fn write_session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        data: &JsonObject,
        expected: Option<u64>,
    ) -> Result<DataWrite, Error> {
        self.check_data_size(data)?;
        Ok(self
            .storage()
            .write_session_data(app, handle, data, expected, self.now())
            .await?)
    }
}
