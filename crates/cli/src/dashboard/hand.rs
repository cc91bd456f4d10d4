//! Asking the work to pause, to go on, or to stop: in this process by its flags, in another one by a request in the folder
//! of its run.

use std::path::PathBuf;

use regimen_base::Cancel;
use regimen_base::control::{self, Request};
use regimen_ledger::Status;

use super::feed::Board;

/// How the work is reached.
pub enum Hand {
    /// It is done in this process.
    Here(Cancel),
    /// It is done in another one; the folder of all runs.
    There(PathBuf),
}

impl Hand {
    /// Ask; gives back what to tell the user.
    pub fn ask(&self, board: &mut Board, request: Request) -> String {
        match self {
            Hand::Here(cancel) => {
                match request {
                    Request::Pause => cancel.pause(true),
                    Request::Resume => cancel.pause(false),
                    Request::Stop => drop(cancel.ask()),
                }
                board.pausing = cancel.paused();
            }
            Hand::There(runs) => {
                let Some(shown) = board.runs.get_mut(board.work) else { return "there is no run".into() };
                let Some(info) = &shown.info else { return "nothing is known of this run".into() };
                if shown.gone {
                    return "the folder of the run is gone: it cannot be reached".into();
                }
                if info.status != Status::Running {
                    return format!("the run is {}: there is nothing to pause or to stop", info.status);
                }
                if let Err(error) = control::ask(&runs.join(&shown.id), info.pid, request) {
                    return error.to_string();
                }
                shown.asked = true;
                board.pausing = request == Request::Pause;
            }
        }
        board.version += 1;
        match request {
            Request::Pause => "asked to pause after the step; p or r goes on",
            Request::Resume => "goes on",
            Request::Stop => "asked to stop: it finishes the step and writes a checkpoint",
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::feed::Shown;
    use super::super::state::Place;
    use super::*;

    #[test]
    fn a_run_that_is_over_is_not_asked() {
        let mut board = Board::new(Place::Watch, Vec::new(), 0);
        let hand = Hand::There("nowhere".into());
        assert_eq!(hand.ask(&mut board, Request::Stop), "there is no run");
        board.runs.push(Shown::new("x".into(), std::path::Path::new("nowhere"), None));
        assert!(hand.ask(&mut board, Request::Stop).contains("nothing is known"));
    }

    #[test]
    fn the_work_of_this_process_is_asked_by_its_flags() {
        let cancel = Cancel::new();
        let mut board = Board::new(Place::Run, Vec::new(), 0);
        let hand = Hand::Here(cancel.clone());
        hand.ask(&mut board, Request::Pause);
        assert!(cancel.paused() && board.pausing);
        hand.ask(&mut board, Request::Resume);
        assert!(!cancel.paused() && !board.pausing);
        hand.ask(&mut board, Request::Pause);
        hand.ask(&mut board, Request::Stop);
        assert!(cancel.asked() && !board.pausing);
    }
}
